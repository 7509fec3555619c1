//! A directory as one file: the paths and lengths of its files, and their bytes without long runs of zeroes, of which a
//! data directory has many.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// Fewer zeroes than this are kept as they are.
const RUN_BYTES_MIN: usize = 64;

fn files(dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir).expect("lists").map(|entry| entry.expect("an entry").path());
    let inside = |path: PathBuf| if path.is_dir() { files(&path) } else { vec![path] };
    let mut found: Vec<PathBuf> = entries.flat_map(inside).collect();
    found.sort();
    found
}

/// Every stretch that is not zero, with its offset.
fn stretches(bytes: &[u8]) -> Vec<(usize, &[u8])> {
    let (mut at, mut found) = (0, Vec::new());
    while let Some(skipped) = bytes[at..].iter().position(|byte| *byte != 0) {
        let start = at + skipped;
        let mut end = start;
        while end < bytes.len() {
            let zeroes = bytes[end..].iter().take_while(|byte| **byte == 0).count();
            if zeroes >= RUN_BYTES_MIN || end + zeroes == bytes.len() {
                break;
            }
            end += zeroes + 1;
        }
        found.push((start, &bytes[start..end]));
        at = end;
    }
    found
}

pub(super) fn pack(dir: &Path) -> Vec<u8> {
    let mut packed = Vec::new();
    for path in files(dir) {
        let bytes = fs::read(&path).expect("read");
        let stretches = stretches(&bytes);
        let name = path.strip_prefix(dir).expect("inside").display().to_string();
        packed.extend(format!("file {} {} {name}\n", bytes.len(), stretches.len()).bytes());
        for (at, stretch) in stretches {
            packed.extend(format!("at {at} {}\n", stretch.len()).bytes());
            packed.extend(stretch);
        }
    }
    packed
}

/// Cuts a line of numbers and maybe a name off the front.
fn line<'a>(packed: &mut &'a [u8], word: &str) -> Vec<&'a str> {
    let end = packed.iter().position(|byte| *byte == b'\n').expect("a line");
    let text = std::str::from_utf8(&packed[..end]).expect("text");
    *packed = &packed[end + 1..];
    let mut words: Vec<&str> = text.splitn(4, ' ').collect();
    assert_eq!(words.remove(0), word);
    words
}

pub(super) fn unpack(mut packed: &[u8], dir: &Path) {
    while !packed.is_empty() {
        let file = line(&mut packed, "file");
        let mut bytes = vec![0; file[0].parse().expect("a length")];
        for _ in 0..file[1].parse().expect("a number") {
            let stretch = line(&mut packed, "at");
            let [at, len] = [0, 1].map(|index| stretch[index].parse::<usize>().expect("a number"));
            bytes[at..at + len].copy_from_slice(&packed[..len]);
            packed = &packed[len..];
        }
        let target = dir.join(file[2]);
        fs::create_dir_all(target.parent().expect("a directory")).expect("made");
        fs::write(target, bytes).expect("written");
    }
}

#[test]
fn what_is_packed_is_unpacked_as_it_was() {
    let [from, to] = [0, 1].map(|_| tempfile::tempdir().expect("tempdir"));
    fs::create_dir_all(from.path().join("a b/c")).expect("made");
    let mixed = [vec![0; 100], vec![1, 0, 2], vec![0; 63], vec![3], vec![0; 64], vec![4], vec![0; 5]].concat();
    let contents =
        [("a b/c/mixed", mixed), ("empty", vec![]), ("text", b"file 1\nat 2\n".to_vec()), ("zero", vec![0; 900])];
    contents.iter().for_each(|(name, bytes)| fs::write(from.path().join(name), bytes).expect("written"));
    let packed = pack(from.path());
    assert!(packed.len() < 400, "{} bytes", packed.len());
    unpack(&packed, to.path());
    for (name, bytes) in contents {
        assert_eq!(fs::read(to.path().join(name)).expect("there"), bytes, "{name}");
    }
}
