//! Compiles the protocol without protoc.

use std::error::Error;

const FILES: [&str; 2] = ["cofferdam.proto", "containment.proto"];

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=proto");
    let files = protox::compile(FILES, ["proto"])?;
    tonic_prost_build::configure().btree_map(".").compile_fds(files)?;
    Ok(())
}
