//! Words of a container in YAML: whatever they are, they stay one value, and one comment.

/// A value: plain where that is surely a text, else in quotes.
pub(super) fn value(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '/' | '_' | '-' | '.');
    let begins = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '/');
    let is_word = matches!(
        text.to_ascii_lowercase().as_str(),
        "true" | "false" | "yes" | "no" | "on" | "off" | "null" | "y" | "n"
    );
    if begins && !is_word && text.chars().all(plain) {
        return text.to_owned();
    }
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            ' '..='~' => out.push(c),
            c if u32::from(c) > 0xffff => out += &format!("\\U{:08x}", u32::from(c)),
            c => out += &format!("\\u{:04x}", u32::from(c)),
        }
    }
    out + "\""
}

/// A text in a comment: one line, and nothing that a terminal obeys.
pub(super) fn comment(text: &str) -> String {
    text.chars().map(|c| if matches!(c, ' '..='~') { c } else { '?' }).collect()
}
