//! Between the model's types and SQLite's: unsigned numbers are stored by their bits, words as text, lists as JSON.

use std::str::FromStr;

use cofferdam_model::{BootId, BootTime, EventId, FilesystemKey, InodeKey, ProcessKey, WorkloadId};
use rusqlite::types::{FromSqlError, Type};
use rusqlite::{Result, Row};

/// A time, or an id that is one in part: beyond `i64` only by nonsense from the kernel, which the bits keep.
pub(crate) fn bits(value: u64) -> i64 {
    value.cast_signed()
}

pub(crate) fn opt_bits(value: Option<u64>) -> Option<i64> {
    value.map(bits)
}

/// A count. What is beyond 2^48 is nonsense, and is cut so that no sum of them ever overflows in SQLite.
pub(crate) fn count(value: u64) -> i64 {
    value.min(1 << 48).cast_signed()
}

/// Two optional halves of an inode's key, as columns.
pub(crate) struct InodeColumns {
    pub(crate) device: Option<u32>,
    pub(crate) device_generation: Option<u32>,
    pub(crate) ino: Option<i64>,
    pub(crate) generation: Option<u32>,
}

impl From<Option<InodeKey>> for InodeColumns {
    fn from(key: Option<InodeKey>) -> Self {
        Self {
            device: key.map(|k| k.filesystem.device),
            device_generation: key.map(|k| k.filesystem.generation),
            ino: key.map(|k| bits(k.ino)),
            generation: key.map(|k| k.generation),
        }
    }
}

/// Reads columns by position, in order.
pub(crate) struct Columns<'r, 's> {
    row: &'r Row<'s>,
    next: usize,
}

impl<'r, 's> Columns<'r, 's> {
    pub(crate) fn of(row: &'r Row<'s>) -> Self {
        Self { row, next: 0 }
    }

    pub(crate) fn get<T: rusqlite::types::FromSql>(&mut self) -> Result<T> {
        self.next += 1;
        self.row.get(self.next - 1)
    }

    pub(crate) fn unsigned(&mut self) -> Result<u64> {
        self.get::<i64>().map(i64::cast_unsigned)
    }

    pub(crate) fn opt_unsigned(&mut self) -> Result<Option<u64>> {
        Ok(self.get::<Option<i64>>()?.map(i64::cast_unsigned))
    }

    pub(crate) fn time(&mut self) -> Result<BootTime> {
        self.unsigned().map(BootTime::from_nanos)
    }

    pub(crate) fn opt_time(&mut self) -> Result<Option<BootTime>> {
        Ok(self.opt_unsigned()?.map(BootTime::from_nanos))
    }

    pub(crate) fn event(&mut self) -> Result<EventId> {
        self.unsigned().map(EventId)
    }

    pub(crate) fn opt_event(&mut self) -> Result<Option<EventId>> {
        Ok(self.opt_unsigned()?.map(EventId))
    }

    pub(crate) fn workload(&mut self) -> Result<WorkloadId> {
        self.unsigned().map(WorkloadId)
    }

    /// Two columns: pid and birth.
    pub(crate) fn opt_process(&mut self) -> Result<Option<ProcessKey>> {
        let pid: Option<u32> = self.get()?;
        let start = self.opt_time()?;
        Ok(pid.zip(start).map(|(pid, start)| ProcessKey { pid, start }))
    }

    /// Four columns: device, its generation, inode, its generation.
    pub(crate) fn opt_inode(&mut self) -> Result<Option<InodeKey>> {
        let device: Option<u32> = self.get()?;
        let device_generation: Option<u32> = self.get()?;
        let ino = self.opt_unsigned()?;
        let generation: Option<u32> = self.get()?;
        Ok(device.zip(ino).map(|(device, ino)| InodeKey {
            filesystem: FilesystemKey { device, generation: device_generation.unwrap_or(0) },
            ino,
            generation: generation.unwrap_or(0),
        }))
    }

    /// A text where it lies, if there.
    pub(crate) fn opt_text(&mut self) -> Result<Option<&'r str>> {
        self.next += 1;
        Ok(self.row.get_ref(self.next - 1)?.as_str_or_null()?)
    }

    /// A list that is stored as JSON.
    pub(crate) fn json<T: serde::de::DeserializeOwned>(&mut self) -> Result<T> {
        self.next += 1;
        from_json(self.row.get_ref(self.next - 1)?.as_str()?)
    }

    /// One of the model's words.
    pub(crate) fn word<T>(&mut self) -> Result<T>
    where
        T: FromStr<Err: std::error::Error + Send + Sync + 'static>,
    {
        self.next += 1;
        let text = self.row.get_ref(self.next - 1)?.as_str()?;
        text.parse().map_err(|e| unreadable(self.next - 1, e))
    }

    /// One of the model's words, if there.
    pub(crate) fn opt_word<T>(&mut self) -> Result<Option<T>>
    where
        T: FromStr<Err: std::error::Error + Send + Sync + 'static>,
    {
        let text = self.opt_text()?;
        text.map(|text| text.parse().map_err(|e| unreadable(self.next - 1, e))).transpose()
    }
}

fn unreadable(column: usize, error: impl std::error::Error + Send + Sync + 'static) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(column, Type::Text, FromSqlError::other(error).into())
}

/// A list or map as JSON text.
pub(crate) fn json<T: serde::Serialize>(value: &T) -> Result<String> {
    serde_json::to_string(value).map_err(|e| rusqlite::Error::ToSqlConversionFailure(e.into()))
}

/// JSON text as a list or map.
pub(crate) fn from_json<T: serde::de::DeserializeOwned>(text: &str) -> Result<T> {
    serde_json::from_str(text).map_err(|e| unreadable(0, e))
}

/// The id of a row as people see it: the first eight digits of the boot id and the event id in hex.
pub(crate) fn row_id(boot: &BootId, id: EventId) -> String {
    format!("{}-{:x}", boot.as_str().get(..8).unwrap_or_default(), id.0)
}
