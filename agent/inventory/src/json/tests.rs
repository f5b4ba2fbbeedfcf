use proptest::prelude::*;
use serde::de::IgnoredAny;
use serde_json::{Value, json};

use super::*;

/// Hands the document out in pieces of the given sizes, over and over.
pub(crate) struct Pieces<'d> {
    pub(crate) rest: &'d [u8],
    pub(crate) sizes: Vec<usize>,
    pub(crate) turn: usize,
}

impl Read for Pieces<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let size = self.sizes[self.turn % self.sizes.len()].clamp(1, buffer.len()).min(self.rest.len());
        self.turn += 1;
        buffer[..size].copy_from_slice(&self.rest[..size]);
        self.rest = &self.rest[size..];
        Ok(size)
    }
}

fn skip_all(document: &[u8]) -> Result<(), JsonError> {
    let mut reader = Reader::new(document);
    let result = reader.skip().and_then(|()| reader.finish());
    assert!(reader.is_wiped(), "the buffer is zeroed");
    result
}

fn texts(document: &str) -> Vec<Option<String>> {
    let mut found = Vec::new();
    let mut reader = Reader::new(document.as_bytes());
    reader.array(|reader| reader.text().map(|text| found.push(text))).unwrap();
    reader.finish().unwrap();
    found
}

#[test]
fn fields_are_visited_and_the_rest_is_passed_over() {
    let document = json!({"a": {"b": [1, {"c": "x"}], "wanted": "yes"}, "z": null}).to_string();
    let mut reader = Reader::new(document.as_bytes());
    let mut found = None;
    reader
        .object(|reader, key| match key {
            "a" => reader.object(|reader, key| match key {
                "wanted" => reader.text().map(|text| found = text),
                _ => reader.skip(),
            }),
            _ => reader.skip(),
        })
        .unwrap();
    reader.finish().unwrap();
    assert_eq!(found.as_deref(), Some("yes"));
}

#[test]
fn escapes_are_resolved() {
    assert_eq!(
        texts(r#"["a\"\\\/\b\f\n\r\t", "\u0041\u00e4\ud83d\ude00", "\ud83dx", "\ud83d", "\ude00", 1, "ä"]"#),
        [
            Some("a\"\\/\u{8}\u{c}\n\r\t".to_owned()),
            Some("Aä😀".to_owned()),
            Some("\u{fffd}x".to_owned()),
            Some("\u{fffd}".to_owned()),
            Some("\u{fffd}".to_owned()),
            None,
            Some("ä".to_owned()),
        ]
    );
}

#[test]
fn a_name_ends_at_the_first_equals_sign() {
    let document =
        r#"["A=b=c", "\u0042\u003dx", "=x", "no name", "no name=x", "\n=x", "", {"x": 1}, "LAST="]"#;
    let mut names = Vec::new();
    let mut reader = Reader::new(document.as_bytes());
    reader.array(|reader| reader.name_before_equals().map(|name| names.push(name))).unwrap();
    let expected = [Some("A"), Some("B"), None, None, None, None, None, None, Some("LAST")];
    assert_eq!(names, expected.map(|name| name.map(str::to_owned)));
}

#[test]
fn an_error_says_where_and_never_what() {
    let error = skip_all(br#"{"password": "hunter2", hunter2}"#).unwrap_err();
    assert_eq!(error.to_string(), "no valid JSON at byte 24: expected a key");
    assert!(skip_all(b"[1, 2").unwrap_err().to_string().contains("ends early"));
    assert!(skip_all(b"[1] 2").unwrap_err().to_string().contains("end of the document"));
}

#[test]
fn a_failing_source_is_reported_by_its_kind_alone() {
    struct Failing;
    impl Read for Failing {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::Error::other("hunter2"))
        }
    }
    let error = Reader::new(Failing).skip().unwrap_err();
    assert!(!format!("{error} {error:?}").contains("hunter2"));
}

#[test]
fn nesting_and_size_are_bounded() {
    let deep = "[".repeat(200) + &"]".repeat(200);
    assert!(skip_all(deep.as_bytes()).unwrap_err().to_string().contains("nested too deep"));
    let fits = "[".repeat(100) + &"]".repeat(100);
    assert_eq!(skip_all(fits.as_bytes()), Ok(()));
    let mut endless = Reader::new(b"[".as_slice().chain(io::repeat(b' ')));
    assert_eq!(endless.skip(), Err(JsonError::TooLarge));
}

pub(crate) fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 64, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::btree_map(any::<String>(), inner, 0..6)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn every_document_is_passed_over_whole(value in value(), pretty in any::<bool>()) {
        let text = if pretty { format!("{value:#}") } else { value.to_string() };
        prop_assert_eq!(skip_all(text.as_bytes()), Ok(()));
    }

    #[test]
    fn pieces_of_any_size_read_the_same(
        strings in prop::collection::vec(any::<String>(), 0..20),
        sizes in prop::collection::vec(1_usize..9, 1..6),
    ) {
        let document = json!(strings).to_string();
        let mut found = Vec::new();
        let mut reader = Reader::new(Pieces { rest: document.as_bytes(), sizes, turn: 0 });
        reader.array(|reader| reader.text().map(|text| found.extend(text))).unwrap();
        reader.finish().unwrap();
        prop_assert_eq!(found, strings);
    }

    #[test]
    fn what_is_accepted_is_what_serde_json_accepts(text in r#"[\[\]{}:,"\\utfnrale0-9eE.+ \-]{0,24}"#) {
        let theirs = serde_json::from_str::<IgnoredAny>(&text).is_ok();
        prop_assert_eq!(skip_all(text.as_bytes()).is_ok(), theirs, "{}", text);
    }

    #[test]
    fn any_bytes_end_in_an_answer(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = skip_all(&bytes);
        let mut reader = Reader::new(bytes.as_slice());
        let _ = reader.object(|reader, _| reader.array(|reader| reader.text().map(drop)));
    }
}
