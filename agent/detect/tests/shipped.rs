//! The rules that are shipped are understood, and each is about what its file is called.

use std::fs;
use std::path::Path;

#[test]
fn every_shipped_rule_is_understood() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../profiles/detections");
    let mut number = 0;
    for entry in fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|it| it != "yaml") {
            continue;
        }
        let text = fs::read_to_string(&path).unwrap();
        for rule in cofferdam_detect::parse(&path, &text).unwrap_or_else(|refused| panic!("{refused}")) {
            let rule = rule.unwrap_or_else(|refused| panic!("{refused}"));
            assert_eq!(Some(rule.name.as_str()), path.file_stem().and_then(|it| it.to_str()));
            number += 1;
        }
    }
    assert_eq!(number, 8);
}
