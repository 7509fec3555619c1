//! The adapter over the operating system, on a real folder.

use super::{AlignedBuffer, Io, SysIo, fill_zeroes, read_exact_at, resolve, write_direct_at, write_file_durably};
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

#[test]
fn a_direct_handle_writes_what_another_handle_and_a_map_read() {
    let dir = tempfile::tempdir_in(env!("CARGO_MANIFEST_DIR")).unwrap();
    let path = dir.path().join("file");
    let reader = SysIo.create(&path).unwrap();
    fill_zeroes(&*reader, 0, 3 * 4096).unwrap();
    reader.sync().unwrap();
    // In the page cache by now: the direct write must not leave the old bytes there.
    read_exact_at(&*reader, &mut [0; 3 * 4096], 0).unwrap();
    let writer = SysIo.open(&path).unwrap();
    let is_direct = writer.set_direct(true).unwrap();
    let mut block = AlignedBuffer::default();
    block.extend_from_slice(&[7; 4096]);
    write_direct_at(&*writer, &block, 4096).unwrap();
    writer.sync().unwrap();
    let mut read = [0; 3 * 4096];
    read_exact_at(&*reader, &mut read, 0).unwrap();
    assert_eq!((read[4095], read[4096], read[8191], read[8192]), (0, 7, 7, 0));
    assert_eq!(reader.map().unwrap()[4096..8192], [7; 4096]);
    // What a file system refuses of a direct handle goes through the page cache instead.
    let refused = writer.write_at(b"five.", 1).is_err();
    assert_eq!(refused, is_direct, "the file system says whether it can");
    write_direct_at(&*writer, b"five.", 1).unwrap();
    let mut five = [0; 5];
    read_exact_at(&*reader, &mut five, 1).unwrap();
    assert_eq!(&five, b"five.");
}

#[test]
fn a_path_is_resolved_through_every_link_whether_it_exists_or_not() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().canonicalize().unwrap();
    SysIo.create_dir(&root.join("real/below")).unwrap();
    std::os::unix::fs::symlink(root.join("real/below"), root.join("link")).unwrap();
    std::os::unix::fs::symlink("../link", root.join("real/again")).unwrap();
    let cases = [
        ("real/below", "real/below"),
        ("link", "real/below"),
        ("link/new/file", "real/below/new/file"),
        ("real/again/x", "real/below/x"),
        ("link/..", "real"),
        ("link/../new/./y", "real/new/y"),
        ("new/../link/z", "real/below/z"),
    ];
    for (path, expected) in cases {
        assert_eq!(resolve(&SysIo, &root.join(path)).unwrap(), root.join(expected), "{path}");
    }
    assert_eq!(resolve(&SysIo, std::path::Path::new("src")).unwrap(), std::env::current_dir().unwrap().join("src"));
}
