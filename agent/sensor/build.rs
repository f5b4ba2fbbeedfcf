//! Finds the kernel programs' object, which `cargo xtask build` makes, and has it embedded.

use std::path::PathBuf;
use std::{env, fs};

fn main() {
    println!("cargo::rerun-if-env-changed=COFFERDAM_BPF_OBJECT");
    let object = env::var_os("COFFERDAM_BPF_OBJECT").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../target/cofferdam.bpf.o"),
        PathBuf::from,
    );
    println!("cargo::rerun-if-changed={}", object.display());
    match fs::canonicalize(&object) {
        Ok(object) => println!("cargo::rustc-env=COFFERDAM_BPF_OBJECT={}", object.display()),
        Err(error) => {
            println!(
                "cargo::error=the kernel programs are not built ({}: {error}); run `cargo xtask build` once",
                object.display()
            );
        }
    }
}
