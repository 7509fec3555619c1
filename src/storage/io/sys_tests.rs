//! The adapter over the operating system, on a real folder.

use super::{Io, SysIo, fill_zeroes, read_exact_at, write_file_durably};
use std::io::ErrorKind;

#[test]
fn a_file_reads_back_what_was_written_at_its_offsets() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a/b/file");
    SysIo.create_dir(&dir.path().join("a/b")).unwrap();
    let file = SysIo.create(&path).unwrap();
    assert_eq!(SysIo.create(&path).err().unwrap().kind(), ErrorKind::AlreadyExists);
    file.allocate(8192).unwrap();
    fill_zeroes(&*file, 0, 8192).unwrap();
    file.write_at(b"hello", 4096).unwrap();
    file.sync().unwrap();
    file.drop_cache().unwrap();
    SysIo.fsync_dir(&dir.path().join("a/b")).unwrap();
    let mut buffer = [0; 5];
    read_exact_at(&*SysIo.open(&path).unwrap(), &mut buffer, 4096).unwrap();
    assert_eq!(&buffer, b"hello");
    assert_eq!(file.read_at(&mut [0; 100], 8190).unwrap(), 2);
    assert_eq!(read_exact_at(&*file, &mut [0; 9], 8190).unwrap_err().kind(), ErrorKind::UnexpectedEof);
    assert_eq!(&file.map().unwrap()[4096..4101], b"hello");
    assert_eq!(SysIo.list_dir(&dir.path().join("a/b")).unwrap()[0].name, "file");
    assert!(SysIo.space(dir.path()).unwrap().total > 0);
}

#[test]
fn a_new_file_is_its_owners_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("file");
    write_file_durably(&SysIo, &path, b"secret").unwrap();
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
}

#[test]
fn a_map_outlives_the_name_of_its_file() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("file");
    write_file_durably(&SysIo, &path, b"content").unwrap();
    let map = SysIo.open_read(&path).unwrap().map().unwrap();
    SysIo.unlink(&path).unwrap();
    assert!(!SysIo.exists(&path).unwrap());
    assert_eq!(&map[..], b"content");
}

#[test]
fn a_lock_is_held_by_one_handle_at_a_time() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("LOCK");
    let first = SysIo.create(&path).unwrap();
    let second = SysIo.open(&path).unwrap();
    assert!(first.try_lock().unwrap());
    assert!(!second.try_lock().unwrap());
    drop(first);
    assert!(second.try_lock().unwrap());
}
