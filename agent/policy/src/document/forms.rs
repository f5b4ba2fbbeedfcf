//! Forms that YAML offers for one thing: a value with its place, one or many, a list or a word, a number or a range.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{self, Deserializer, MapAccess, SeqAccess, Visitor};

use super::{Allowance, Reader};

/// A list, or a single one without the brackets.
#[derive(Debug)]
pub struct OneOrMany<T>(pub Vec<T>);

impl<T> Default for OneOrMany<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for OneOrMany<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Form<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for Form<T> {
            type Value = Vec<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("one of them or a list")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Vec<T>, A::Error> {
                Vec::deserialize(SeqAccessDeserializer::new(list))
            }

            fn visit_map<A: MapAccess<'de>>(self, one: A) -> Result<Vec<T>, A::Error> {
                Ok(vec![T::deserialize(MapAccessDeserializer::new(one))?])
            }
        }

        deserializer.deserialize_any(Form(PhantomData)).map(Self)
    }
}

impl<T: JsonSchema> JsonSchema for OneOrMany<T> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        format!("OneOrMany{}", T::schema_name()).into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let one = generator.subschema_for::<T>();
        json_schema!({ "anyOf": [one, { "type": "array", "items": one }] })
    }
}

/// Who may read.
#[derive(Debug)]
pub enum Readers {
    /// The word `any`.
    Any,
    /// These.
    Only(Vec<Reader>),
}

/// What passes by an exception.
#[derive(Debug)]
pub enum Allow {
    /// The word `any`.
    Any,
    /// This.
    Only(Box<Allowance>),
}

/// Deserialises the word `any`, or else a list or a map of something.
struct AnyOr<T> {
    expected: &'static str,
    of: PhantomData<T>,
}

impl<'de, T: Deserialize<'de>> Visitor<'de> for AnyOr<T> {
    type Value = Option<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.expected)
    }

    fn visit_str<E: de::Error>(self, word: &str) -> Result<Option<T>, E> {
        match word {
            "any" => Ok(None),
            _ => Err(E::invalid_value(de::Unexpected::Str(word), &self)),
        }
    }

    fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Option<T>, A::Error> {
        T::deserialize(SeqAccessDeserializer::new(list)).map(Some)
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Option<T>, A::Error> {
        T::deserialize(MapAccessDeserializer::new(map)).map(Some)
    }
}

impl<'de> Deserialize<'de> for Readers {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let expected = "a list of binaries, or the word `any`";
        let form = AnyOr::<Vec<Reader>> { expected, of: PhantomData };
        Ok(deserializer.deserialize_any(form)?.map_or(Self::Any, Self::Only))
    }
}

impl<'de> Deserialize<'de> for Allow {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let expected = "a binary, a destination, or the word `any`";
        let form = AnyOr::<Allowance> { expected, of: PhantomData };
        Ok(deserializer.deserialize_any(form)?.map_or(Self::Any, |it| Self::Only(Box::new(it))))
    }
}

impl JsonSchema for Readers {
    fn schema_name() -> Cow<'static, str> {
        "Readers".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let list = generator.subschema_for::<Vec<Reader>>();
        json_schema!({ "anyOf": [{ "const": "any" }, list] })
    }
}

impl JsonSchema for Allow {
    fn schema_name() -> Cow<'static, str> {
        "Allow".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let one = generator.subschema_for::<Allowance>();
        json_schema!({ "anyOf": [{ "const": "any" }, one] })
    }
}

/// A port or a range of them, as it is written.
#[derive(Debug)]
pub struct Port(pub String);

impl<'de> Deserialize<'de> for Port {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Form;

        impl Visitor<'_> for Form {
            type Value = Port;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a port, or a range of ports as \"8000-8010\"")
            }

            fn visit_u64<E: de::Error>(self, port: u64) -> Result<Port, E> {
                Ok(Port(port.to_string()))
            }

            fn visit_i64<E: de::Error>(self, port: i64) -> Result<Port, E> {
                Ok(Port(port.to_string()))
            }

            fn visit_str<E: de::Error>(self, range: &str) -> Result<Port, E> {
                Ok(Port(range.to_owned()))
            }
        }

        deserializer.deserialize_any(Form)
    }
}

impl JsonSchema for Port {
    fn schema_name() -> Cow<'static, str> {
        "Port".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "anyOf": [
            { "type": "integer", "minimum": 1, "maximum": 65535 },
            { "type": "string", "pattern": "^[0-9]+(-[0-9]+)?$" },
        ] })
    }
}
