//! `forebay bench disk`: what one fdatasync costs and how fast synced writes go, written the way the log writes: into a file that is
//! filled already, with aligned writes, a sync each.

use super::{clock::now, show};
use crate::{
    cli::{
        Failure,
        output::{Output, OutputArgs, Record},
        value,
    },
    config::unit::show_size,
};
use clap::Args;
use hdrhistogram::Histogram;
use serde::Serialize;
use std::{
    fs::{self, File, OpenOptions},
    io,
    os::unix::fs::FileExt as _,
    path::{Path, PathBuf},
    time::Duration,
};

const FILE_BYTES: usize = 64 << 20;
const SMALL: usize = 4096;
const LARGE: usize = 1 << 20;

#[derive(Debug, Args)]
pub(crate) struct DiskBenchArgs {
    /// A directory on the disk to measure
    #[arg(default_value = ".")]
    dir: PathBuf,
    /// How long to measure each of the two
    #[arg(long, value_name = "TIME", default_value = "3s", value_parser = value::duration)]
    duration: Duration,
    /// The size of messages to expect
    #[arg(long, value_name = "SIZE", default_value = "1KiB", value_parser = value::size)]
    size: u64,
    #[command(flatten)]
    output: OutputArgs,
}

pub(crate) fn run(args: &DiskBenchArgs) -> Result<(), Failure> {
    let mut output = Output::new(&args.output);
    output.note(&format!("writing {} to {}", show_size(FILE_BYTES as u64), args.dir.display()));
    let report = measure_in(args).map_err(|error| Failure::failed(format!("{}: {error}", args.dir.display())))?;
    output.one(&report)
}

/// Measures in a file of its own, and removes it.
fn measure_in(args: &DiskBenchArgs) -> io::Result<Report> {
    let path = args.dir.join(format!(".forebay-bench-{}", std::process::id()));
    let report = measure(&path, args);
    fs::remove_file(&path)?;
    report
}

fn measure(path: &Path, args: &DiskBenchArgs) -> io::Result<Report> {
    let file = filled(path)?;
    let (small, _) = writes(&file, SMALL, args.duration)?;
    let (large, elapsed) = writes(&file, LARGE, args.duration)?;
    let bytes_per_second = (large.len() as f64 * LARGE as f64 / elapsed.as_secs_f64()) as u64;
    let micros = |histogram: &Histogram<u64>, share| histogram.value_at_quantile(share);
    let p50 = micros(&small, 0.5);
    Ok(Report {
        dir: args.dir.display().to_string(),
        sync_4kib_p50_us: p50,
        sync_4kib_p99_us: micros(&small, 0.99),
        sync_4kib_max_us: small.max(),
        sync_1mib_p50_us: micros(&large, 0.5),
        sync_1mib_p99_us: micros(&large, 0.99),
        sync_1mib_bytes_per_second: bytes_per_second,
        message_bytes: args.size,
        one_caller_messages_per_second: 1_000_000 / p50.max(1),
        many_callers_messages_per_second: bytes_per_second / args.size.max(1),
    })
}

/// A file whose blocks are all written once, so that a later write changes no metadata.
fn filled(path: &Path) -> io::Result<File> {
    let file = OpenOptions::new().read(true).write(true).create_new(true).open(path)?;
    let zeros = vec![0; LARGE];
    for at in (0..FILE_BYTES).step_by(LARGE) {
        file.write_all_at(&zeros, at as u64)?;
    }
    file.sync_all()?;
    Ok(file)
}

/// Writes and syncs until the time is over, round and round the file; returns microseconds for each, and how long it all took.
fn writes(file: &File, len: usize, duration: Duration) -> io::Result<(Histogram<u64>, Duration)> {
    let mut histogram = Histogram::new(3).map_err(io::Error::other)?;
    let block = vec![0x5a; len];
    let start = now();
    let mut at = 0;
    loop {
        let begin = now();
        if begin - start >= duration {
            return Ok((histogram, begin - start));
        }
        file.write_all_at(&block, at as u64)?;
        file.sync_data()?;
        let micros = u64::try_from(begin.elapsed().as_micros()).unwrap_or(u64::MAX);
        histogram.record(micros).map_err(io::Error::other)?;
        at = (at + len) % FILE_BYTES;
    }
}

#[derive(Serialize)]
struct Report {
    dir: String,
    sync_4kib_p50_us: u64,
    sync_4kib_p99_us: u64,
    sync_4kib_max_us: u64,
    sync_1mib_p50_us: u64,
    sync_1mib_p99_us: u64,
    sync_1mib_bytes_per_second: u64,
    message_bytes: u64,
    one_caller_messages_per_second: u64,
    many_callers_messages_per_second: u64,
}

impl Record for Report {
    const COLUMNS: &'static [&'static str] =
        &["directory", "write 4KiB and sync", "write 1MiB and sync", "one caller that waits", "many callers at most"];

    fn cells(&self) -> Vec<String> {
        let span = |micros| show::span(Duration::from_micros(micros));
        let size = show_size(self.message_bytes);
        vec![
            self.dir.clone(),
            format!(
                "p50 {}, p99 {}, max {}",
                span(self.sync_4kib_p50_us),
                span(self.sync_4kib_p99_us),
                span(self.sync_4kib_max_us)
            ),
            format!(
                "p50 {}, p99 {}, {}/s",
                span(self.sync_1mib_p50_us),
                span(self.sync_1mib_p99_us),
                show_size(self.sync_1mib_bytes_per_second)
            ),
            format!("below {} messages a second", show::grouped(self.one_caller_messages_per_second)),
            format!("{} messages of {size} a second", show::grouped(self.many_callers_messages_per_second)),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_is_gone_after_a_measurement() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let output = OutputArgs { output: Some(crate::cli::output::Format::Json), no_header: false, quiet: true };
        let args = DiskBenchArgs { dir: dir.path().to_owned(), duration: Duration::from_millis(1), size: 1024, output };
        let report = measure_in(&args).expect("a measurement");
        assert!(report.sync_4kib_max_us > 0 && report.sync_1mib_bytes_per_second > 0);
        assert_eq!(fs::read_dir(dir.path()).expect("the directory").count(), 0);
    }
}
