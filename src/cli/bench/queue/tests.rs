//! The load and the server that stores nothing, against each other.

use super::{args::QueueBenchArgs, ceiling, load::Load, receive::note, report::Report, round::Target};
use crate::{
    cli::bench::{
        clock::Window,
        figures::{Figures, Rate},
        ledger::{Bodies, Ledger, Sent, Verdict},
    },
    proto::queue::v1::ReceivedMessage,
};
use clap::Parser;
use std::{sync::Mutex, time::Duration};

const DAY: Duration = Duration::from_secs(86_400);

#[derive(Parser)]
struct Line {
    #[command(flatten)]
    args: QueueBenchArgs,
}

fn args(line: &str) -> QueueBenchArgs {
    Line::try_parse_from(std::iter::once("bench").chain(line.split_whitespace())).expect("a valid line").args
}

fn against_ceiling(args: &QueueBenchArgs) -> Figures {
    let bodies = Bodies::new(1, 1024);
    let ceiling = ceiling::start(bodies.clone(), 1024, args.messages).expect("a server");
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let server = format!("http://{}", ceiling.address);
        let target = Target::connect(args, &server, 1, bodies, false).await.expect("a connection");
        Figures::new(&target.round(args).await.expect("a round"), args.size, Rate::Messages)
    })
}

#[test]
fn sending_counts_what_the_server_took() {
    for mode in ["--mode send --batch 10", "--mode produce --window 256", "--mode send --rate 10000"] {
        let figures = against_ceiling(&args(&format!("{mode} --clients 4 --duration 100ms --warmup 0s")));
        assert!(figures.rate.per_second() > 0.0, "{mode}");
        assert!(figures.errors.is_empty(), "{mode}: {:?}", figures.errors);
    }
}

#[test]
fn receiving_ends_when_every_message_came_once() {
    for mode in ["--mode receive --batch 7", "--mode consume --window 100"] {
        let figures = against_ceiling(&args(&format!("{mode} --clients 3 --messages 1000")));
        let whole = Verdict { sent: 1000, received: 1000, ..Verdict::default() };
        assert_eq!((figures.verdict, figures.errors.len()), (Some(whole), 0), "{mode}");
    }
}

#[test]
fn a_backlog_is_told_from_what_counts() {
    let bodies = Bodies::new(1, 1024);
    let backlog = bodies.of_backlog();
    let received = |bodies: &Bodies| ReceivedMessage { body: bodies.make(0, 0), ..ReceivedMessage::default() };
    let load = |line| Load::new(args(line), vec!["q".into()], bodies.clone(), Window::after(DAY, DAY), 1);
    let ledger = || Mutex::new(Ledger::new(false, vec![Sent { next: 1, ..Sent::default() }]));
    let both = [received(&backlog), received(&bodies)];
    let with = ledger();
    assert_eq!(note(&load("--backlog 5"), &with, 0, &both), 1);
    let whole = Verdict { sent: 1, received: 1, ..Verdict::default() };
    assert_eq!(with.into_inner().expect("no panic").verdict(), whole);
    let without = ledger();
    assert_eq!(note(&load(""), &without, 0, &both), 2);
    assert_eq!(without.into_inner().expect("no panic").verdict(), Verdict { received: 2, changed: 1, ..whole });
}

#[test]
fn a_refusal_is_counted_and_the_run_does_not_hold() {
    let args = args("--clients 1 --duration 50ms --warmup 0s");
    let mut figures = against_ceiling(&args);
    assert!(Report::new(&args, vec![figures.clone()], Vec::new()).holds());
    figures.errors.insert("STORAGE_FULL".to_owned(), 1);
    let report = Report::new(&args, vec![figures], Vec::new());
    assert!(!report.holds());
    assert!(report.text(&args).contains("1 times STORAGE_FULL"));
}

#[test]
fn impossible_loads_are_refused_before_anything_is_created() {
    for line in [
        "--size 15B",
        "--mode consume --rate 5",
        "--rate 0",
        "--mode consume --clients 1 --queues 2",
        "--mode produce --window 8",
    ] {
        assert!(args(line).check().is_err(), "{line}");
    }
}
