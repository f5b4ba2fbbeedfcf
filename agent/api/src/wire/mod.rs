//! Between model rows and protocol messages: one table of fields per type, read in both directions, so that
//! neither direction can forget a field.

mod containment;
mod fields;
mod rows;
#[cfg(test)]
mod tests;
mod words;

pub(crate) use rows::Chunk;
#[cfg(test)]
pub(crate) use tests::{access, detection};

use cofferdam_model::ParseIdError;

/// A message of the other side that this version does not understand.
#[derive(Debug, thiserror::Error)]
#[error("{message}.{field}: {problem}")]
pub struct Malformed {
    /// The message.
    pub message: &'static str,
    /// Its field.
    pub field: &'static str,
    /// What is wrong with it.
    #[source]
    pub problem: Problem,
}

/// What is wrong with a field.
#[derive(Debug, thiserror::Error)]
pub enum Problem {
    /// It must not be absent.
    #[error("is absent")]
    Absent,
    /// A value of an enum that this version does not have.
    #[error("{0} is no value of this enum (are agent and command line of one version?)")]
    UnknownWord(i32),
    /// A number or time too large for its field.
    #[error("{0} is out of range")]
    OutOfRange(i128),
    /// Not an id.
    #[error(transparent)]
    Id(#[from] ParseIdError),
    /// A field of the message that it holds.
    #[error(transparent)]
    Within(#[from] Box<Malformed>),
}

/// A type that has a message of its own.
pub(crate) trait Wire: Sized {
    /// The generated message.
    type Message;
    /// To the message.
    fn encode(self) -> Self::Message;
    /// From the message.
    fn decode(message: Self::Message) -> Result<Self, Malformed>;
}

/// A type that stands in a field of a message.
pub(crate) trait Field: Sized {
    /// The generated field's type.
    type Wire;
    /// To the field.
    fn to_wire(self) -> Self::Wire;
    /// From the field.
    fn from_wire(wire: Self::Wire) -> Result<Self, Problem>;
}

/// Implements [`Wire`] field by field for types whose names and fields are those of the message.
macro_rules! wire {
    ($($name:ident { $($field:ident),+ $(,)? })+) => {$(
        impl $crate::wire::Wire for $name {
            type Message = $crate::proto::$name;

            fn encode(self) -> Self::Message {
                let Self { $($field),+ } = self;
                Self::Message { $($field: $crate::wire::Field::to_wire($field)),+ }
            }

            fn decode(message: Self::Message) -> Result<Self, $crate::wire::Malformed> {
                let Self::Message { $($field),+ } = message;
                Ok(Self {
                    $($field: $crate::wire::Field::from_wire($field).map_err(|problem| {
                        $crate::wire::Malformed {
                            message: stringify!($name),
                            field: stringify!($field),
                            problem,
                        }
                    })?),+
                })
            }
        }
    )+};
}
use wire;
