//! Writes the rule reference: `cargo run -p cofferdam-detect --example reference`.

use std::fs;
use std::io;
use std::path::Path;

use cofferdam_detect::{Library, reference};

fn main() -> io::Result<()> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../profiles/detections/README.md");
    fs::write(file, reference(&Library::shipped()))
}
