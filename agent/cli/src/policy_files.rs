//! The files that a user names: single ones, folders of them, and the standard input.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use cofferdam_api::{MAX_POLICY_BYTES, PolicyText};

use crate::failure::BadUsage;

/// What stands for the standard input.
const STDIN: &str = "-";

/// Reads what is named; an error says of every file why it cannot be read.
pub(crate) fn read(named: &[PathBuf]) -> Result<Vec<PolicyText>, BadUsage> {
    let mut texts = Vec::new();
    let mut errors = Vec::new();
    for path in files(named)? {
        match text(&path) {
            Ok(text) => texts.push(text),
            Err(error) => errors.push(error),
        }
    }
    if errors.is_empty() { Ok(texts) } else { Err(BadUsage(errors.join("\n"))) }
}

/// The files in the order in which they are named, those of a folder by name; each once.
fn files(named: &[PathBuf]) -> Result<Vec<PathBuf>, BadUsage> {
    let mut files = Vec::new();
    for path in named {
        if path.is_dir() {
            files.extend(in_folder(path)?);
        } else {
            files.push(path.clone());
        }
    }
    let mut seen = BTreeSet::new();
    files.retain(|path| seen.insert(path.clone()));
    Ok(files)
}

/// Every `*.yaml` and `*.yml`, but those that editors hide.
fn in_folder(folder: &Path) -> Result<Vec<PathBuf>, BadUsage> {
    let unreadable =
        |error: io::Error| BadUsage(format!("{}: cannot be read: {}", folder.display(), in_words(&error)));
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        if is_policy(&path) {
            files.push(path);
        }
    }
    if files.is_empty() {
        return Err(BadUsage(format!("{} has no *.yaml or *.yml", folder.display())));
    }
    files.sort();
    Ok(files)
}

fn is_policy(path: &Path) -> bool {
    let hidden = path.file_name().is_none_or(|name| name.as_encoded_bytes().starts_with(b"."));
    let yaml = path.extension().is_some_and(|extension| extension == "yaml" || extension == "yml");
    yaml && !hidden && !path.is_dir()
}

fn text(path: &Path) -> Result<PolicyText, String> {
    let source = if path.as_os_str() == STDIN { "stdin".to_owned() } else { path.display().to_string() };
    let bytes = match path.as_os_str() == STDIN {
        true => bounded(io::stdin().lock()),
        false => File::open(path).and_then(bounded),
    };
    let bytes = bytes.map_err(|error| format!("{source}: cannot be read: {}", in_words(&error)))?;
    if bytes.len() > MAX_POLICY_BYTES {
        return Err(format!("{source}: has more than {} MiB: split it", MAX_POLICY_BYTES >> 20));
    }
    let text = String::from_utf8(bytes).map_err(|error| {
        let line =
            error.as_bytes()[..error.utf8_error().valid_up_to()].iter().filter(|&&b| b == b'\n').count();
        format!("{source}:{}: is no UTF-8 text", line + 1)
    })?;
    Ok(PolicyText { source, text })
}

fn in_words(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => "no such file".to_owned(),
        io::ErrorKind::PermissionDenied => "permission denied".to_owned(),
        _ => error.to_string(),
    }
}

/// One byte more than is allowed says that there is more; a file may be a pipe without end.
fn bounded(reader: impl Read) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    reader.take(MAX_POLICY_BYTES as u64 + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_folder_is_its_policies_by_name() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["b.yaml", "a.yml", "notes.txt", ".b.yaml", "yaml"] {
            fs::write(folder.path().join(name), name).unwrap();
        }
        fs::create_dir(folder.path().join("old.yaml")).unwrap();
        let texts = read(&[folder.path().join("b.yaml"), folder.path().to_owned()]).unwrap();
        let read: Vec<_> = texts.iter().map(|text| text.text.as_str()).collect();
        assert_eq!(read, ["b.yaml", "a.yml"], "each once, and in the order in which they are named");
        assert_eq!(texts[0].source, folder.path().join("b.yaml").display().to_string());
    }

    #[test]
    fn what_cannot_be_read_is_told_of_each_file() {
        let folder = tempfile::tempdir().unwrap();
        let (empty, binary) = (folder.path().join("empty"), folder.path().join("b.yaml"));
        fs::create_dir(&empty).unwrap();
        fs::write(&binary, b"a: 1\nb: \xff").unwrap();
        let error = read(&["/nonexistent.yaml".into(), binary.clone(), "/dev/zero".into()]).unwrap_err();
        assert_eq!(
            error.to_string(),
            format!(
                "/nonexistent.yaml: cannot be read: no such file\n\
                 {}:2: is no UTF-8 text\n/dev/zero: has more than 4 MiB: split it",
                binary.display()
            )
        );
        let error = read(std::slice::from_ref(&empty)).unwrap_err();
        assert_eq!(error.to_string(), format!("{} has no *.yaml or *.yml", empty.display()));
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_text_or_refused(bytes: Vec<u8>) {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("p.yaml");
            fs::write(&path, &bytes).unwrap();
            prop_assert_eq!(read(&[path]).ok().map(|texts| texts[0].text.clone()), String::from_utf8(bytes).ok());
        }
    }
}
