//! The load and the server that stores nothing, against each other.

use super::{args::StreamBenchArgs, ceiling, report::Report, round::Target};
use crate::cli::bench::{
    figures::{Figures, Rate},
    ledger::{Bodies, Verdict},
};
use clap::Parser;

const SHARDS: u32 = 3;

#[derive(Parser)]
struct Line {
    #[command(flatten)]
    args: StreamBenchArgs,
}

fn args(line: &str) -> StreamBenchArgs {
    Line::try_parse_from(std::iter::once("bench").chain(line.split_whitespace())).expect("a valid line").args
}

fn against_ceiling(args: &StreamBenchArgs) -> Figures {
    let bodies = Bodies::new(1, 1024);
    let ceiling = ceiling::start(bodies.clone(), 1024, args.records, SHARDS).expect("a server");
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let server = format!("http://{}", ceiling.address);
        let target = Target::connect(args, &server, 1, bodies, Some(SHARDS)).await.expect("a connection");
        Figures::new(&target.round(args).await.expect("a round"), args.size, Rate::Records)
    })
}

#[test]
fn putting_counts_what_the_server_took() {
    for mode in ["--mode put --batch 10", "--mode produce --window 256", "--mode put --rate 10000"] {
        let figures = against_ceiling(&args(&format!("{mode} --clients 4 --duration 100ms --warmup 0s")));
        assert!(figures.rate.per_second() > 0.0, "{mode}");
        assert!(figures.errors.is_empty(), "{mode}: {:?}", figures.errors);
    }
}

#[test]
fn reading_ends_when_every_record_of_every_shard_came_once() {
    for mode in ["--mode read --batch 7", "--mode subscribe"] {
        for clients in [1, 2, 64] {
            let figures = against_ceiling(&args(&format!("{mode} --clients {clients} --records 1000")));
            let whole = Verdict { sent: 1000, received: 1000, ..Verdict::default() };
            assert_eq!((figures.verdict, figures.errors.len()), (Some(whole), 0), "{mode}, {clients} clients");
        }
    }
}

#[test]
fn a_refusal_is_counted_and_the_run_does_not_hold() {
    let args = args("--clients 1 --duration 50ms --warmup 0s");
    let mut figures = against_ceiling(&args);
    assert!(Report::new(&args, 3, vec![figures.clone()], Vec::new()).holds());
    figures.errors.insert("SHARD_THROUGHPUT_EXCEEDED".to_owned(), 1);
    let report = Report::new(&args, 3, vec![figures], Vec::new());
    assert!(!report.holds());
    let text = report.text(&args);
    assert!(text.contains("3 shards on demand") && text.contains("1 times SHARD_THROUGHPUT_EXCEEDED"), "{text}");
    let json = serde_json::to_value(&report).expect("JSON");
    assert!(json["rounds"][0]["records_per_second"].is_f64(), "{json}");
}

#[test]
fn impossible_loads_are_refused_before_anything_is_created() {
    for line in ["--size 15B", "--mode read --rate 5", "--rate 0", "--mode produce --window 8", "--mode tail --ceiling"]
    {
        assert!(args(line).check().is_err(), "{line}");
    }
}
