//! How the types of single fields travel.

use std::collections::BTreeMap;

use cofferdam_model::{BootId, WallTime};
use prost_types::Timestamp;

use super::{Field, Problem, Wire};

macro_rules! as_it_is {
    ($($type:ty),+ $(,)?) => {$(
        impl Field for $type {
            type Wire = Self;

            fn to_wire(self) -> Self {
                self
            }

            fn from_wire(wire: Self) -> Result<Self, Problem> {
                Ok(wire)
            }
        }
    )+};
}

as_it_is! {
    bool, u32, u64, String,
    Option<bool>, Option<u32>, Option<u64>, Option<String>,
    Vec<String>, BTreeMap<String, String>,
}

macro_rules! as_u32 {
    ($($type:ty),+) => {$(
        impl Field for $type {
            type Wire = u32;

            fn to_wire(self) -> u32 {
                self.into()
            }

            fn from_wire(wire: u32) -> Result<Self, Problem> {
                wire.try_into().map_err(|_| Problem::OutOfRange(wire.into()))
            }
        }
    )+};
}

as_u32!(u8, u16);

const SECOND: i64 = 1_000_000_000;

impl Field for Option<WallTime> {
    type Wire = Option<Timestamp>;

    fn to_wire(self) -> Option<Timestamp> {
        self.map(|time| Timestamp {
            seconds: time.as_nanos().div_euclid(SECOND),
            nanos: i32::try_from(time.as_nanos().rem_euclid(SECOND)).unwrap_or_default(),
        })
    }

    fn from_wire(wire: Option<Timestamp>) -> Result<Self, Problem> {
        let Some(time) = wire else { return Ok(None) };
        let nanos = i128::from(time.seconds) * i128::from(SECOND) + i128::from(time.nanos);
        let nanos = i64::try_from(nanos).map_err(|_| Problem::OutOfRange(nanos))?;
        Ok(Some(WallTime::from_nanos(nanos)))
    }
}

impl Field for WallTime {
    type Wire = Option<Timestamp>;

    fn to_wire(self) -> Option<Timestamp> {
        Some(self).to_wire()
    }

    fn from_wire(wire: Option<Timestamp>) -> Result<Self, Problem> {
        Option::from_wire(wire)?.ok_or(Problem::Absent)
    }
}

impl Field for BootId {
    type Wire = String;

    fn to_wire(self) -> String {
        self.as_str().to_owned()
    }

    fn from_wire(wire: String) -> Result<Self, Problem> {
        Ok(wire.parse()?)
    }
}

impl<T: Wire> Field for T {
    type Wire = Option<T::Message>;

    fn to_wire(self) -> Self::Wire {
        Some(self.encode())
    }

    fn from_wire(wire: Self::Wire) -> Result<Self, Problem> {
        Option::from_wire(wire)?.ok_or(Problem::Absent)
    }
}

impl<T: Wire> Field for Option<T> {
    type Wire = Option<T::Message>;

    fn to_wire(self) -> Self::Wire {
        self.map(Wire::encode)
    }

    fn from_wire(wire: Self::Wire) -> Result<Self, Problem> {
        Ok(wire.map(T::decode).transpose().map_err(Box::new)?)
    }
}

impl<T: Wire> Field for Vec<T> {
    type Wire = Vec<T::Message>;

    fn to_wire(self) -> Self::Wire {
        self.into_iter().map(Wire::encode).collect()
    }

    fn from_wire(wire: Self::Wire) -> Result<Self, Problem> {
        Ok(wire.into_iter().map(T::decode).collect::<Result<_, _>>().map_err(Box::new)?)
    }
}
