//! Checking the sealed segments of a stream in use, as the device has them now. What goes by its age meanwhile is no
//! damage, whatever was found in it.

use super::{
    examine::{Damage, DamageKind, Expected, Part, SegmentFacts, examine},
    file::{self, stream_dir},
    reader::ShardReader,
};
use crate::storage::log::Pace;
use std::{
    io::{self, ErrorKind},
    path::{Path, PathBuf},
};

/// How the check of a segment ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Checked {
    /// In the order of the file.
    Damage(Vec<Damage>),
    /// Its records were too old meanwhile.
    Gone,
    /// The pace said so.
    Stopped,
}

impl ShardReader {
    /// The segments there are to check, oldest first, each with the bytes of its file.
    pub fn sealed_files(&self) -> Vec<(u64, u64)> {
        let len = |number| self.io.open_read(&file::path(&self.dir, number)).and_then(|file| file.len()).unwrap_or(0);
        self.sealed_numbers().into_iter().map(|number| (number, len(number))).collect()
    }

    /// From the data directory.
    pub fn relative_path(&self, number: u64) -> PathBuf {
        file::path(&stream_dir(Path::new(""), self.owner.stream), number)
    }

    /// Reads one segment from the device, not from the page cache.
    pub fn check(&self, number: u64, pace: &Pace) -> Checked {
        let damage = match self.examine(number, pace) {
            Ok(facts) => damage_of(facts),
            Err(error) if error.kind() == ErrorKind::Interrupted => return Checked::Stopped,
            Err(error) => {
                let what = format!("it cannot be read: {error}");
                vec![Damage { offsets: 0..0, records: Vec::new(), what, kind: DamageKind::Hole }]
            }
        };
        // Asked after the last read: until here its file was not unlinked.
        if self.sealed_numbers().binary_search(&number).is_ok() { Checked::Damage(damage) } else { Checked::Gone }
    }

    fn examine(&self, number: u64, pace: &Pace) -> io::Result<SegmentFacts> {
        let expected = Expected { store_uuid: self.owner.store_uuid, stream: self.owner.stream, number };
        examine(self.io.open_read(&file::path(&self.dir, number))?, expected, pace.clone(), &mut |_| {})
    }
}

/// A segment that ends with a chunk lacks its footer alone, and a reader does without.
fn damage_of(facts: SegmentFacts) -> Vec<Damage> {
    let SegmentFacts { mut damage, sealed, bytes, end, .. } = facts;
    let is_foreign = damage.iter().any(|damage| damage.kind == DamageKind::Foreign);
    if !sealed && !is_foreign && end < bytes {
        let what = "its footer, or chunks before it".to_owned();
        damage.push(Damage { offsets: end..bytes, records: Vec::new(), what, kind: DamageKind::Frame(Part::Footer) });
    }
    damage
}
