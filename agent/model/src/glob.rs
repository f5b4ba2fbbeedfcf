//! The globs of a [`crate::Filter`], the same for live events and for stored rows.

/// Whether a text fits a pattern: `*` is any text, `?` any character, all else itself; case counts.
pub fn glob(pattern: &str, text: &str) -> bool {
    let pattern: Vec<char> = pattern.chars().collect();
    let text: Vec<char> = text.chars().collect();
    let (mut p, mut t) = (0, 0);
    // Where the latest `*` stands, and up to where it has swallowed the text.
    let mut star = None;
    while t < text.len() {
        match pattern.get(p) {
            Some('*') => {
                star = Some((p, t));
                p += 1;
            }
            Some(&c) if c == '?' || c == text[t] => {
                p += 1;
                t += 1;
            }
            _ => {
                let Some((at, swallowed)) = star else { return false };
                star = Some((at, swallowed + 1));
                p = at + 1;
                t = swallowed + 1;
            }
        }
    }
    pattern[p..].iter().all(|&c| c == '*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_crosses_slashes_and_a_bracket_is_only_a_bracket() {
        for (pattern, text, expected) in [
            ("*", "", true),
            ("shop/*", "shop/web-1/app", true),
            ("shop/*/app", "shop/web-1/app", true),
            ("shop/?eb-*/app", "shop/web-1/app", true),
            ("*/app", "shop/web-1/application", false),
            ("a*b*c", "a1b2b3c", true),
            ("a*b*c", "a1b2b3", false),
            ("[ab]", "a", false),
            ("[ab]", "[ab]", true),
            ("", "", true),
            ("?", "é", true),
            ("a?c", "ac", false),
            ("unit:foo@[x]*", "unit:foo@[x].service", true),
            ("unit:foo@[x]*", "unit:foo@x.service", false),
        ] {
            assert_eq!(glob(pattern, text), expected, "{pattern} on {text}");
        }
    }
}
