//! Rounds against the server, each followed by one against the ceiling.

use super::{args::QueueBenchArgs, ceiling, report::Report, round::Target};
use crate::cli::bench::{
    figures::{Figures, Rate},
    ledger::Bodies,
};
use crate::cli::{Exit, Failure, interrupt::Interrupts, output};

pub(crate) fn run(args: QueueBenchArgs) -> Result<(), Failure> {
    args.check()?;
    if cfg!(debug_assertions) {
        output::note("this is a debug build: its figures say nothing about a release");
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let report = runtime.block_on(async {
        let mut rounds = Vec::new();
        let mut ceilings = Vec::new();
        for _ in 0..args.rounds {
            rounds.push(against_server(&args).await?);
            if args.ceiling {
                ceilings.push(against_ceiling(&args).await?);
            }
        }
        Ok::<_, Failure>(Report::new(&args, rounds, ceilings))
    })?;
    if args.json {
        let json = serde_json::to_string(&report).map_err(std::io::Error::from)?;
        output::print(&format!("{json}\n"))?;
    } else {
        output::print(&report.text(&args))?;
    }
    if report.holds() {
        Ok(())
    } else {
        Err(Failure::new(Exit::Partly, "not every message was taken and came back once"))
    }
}

async fn against_server(args: &QueueBenchArgs) -> Result<Figures, Failure> {
    let run = random()?;
    let target = Target::connect(args, &args.client.server, run, bodies(args, run)?, true).await?;
    let mut interrupts = Interrupts::listen();
    let round = async {
        target.create_queues(args).await?;
        target.round(args).await
    };
    let round = tokio::select! {
        round = round => round,
        () = interrupts.next() => Err(Failure::failed("interrupted")),
    };
    let deleted = target.delete_queues().await;
    let figures = Figures::new(&round?, args.size, Rate::Messages);
    deleted?;
    Ok(figures)
}

async fn against_ceiling(args: &QueueBenchArgs) -> Result<Figures, Failure> {
    let run = random()?;
    let bodies = bodies(args, run)?;
    let size = usize::try_from(args.size).map_err(|error| Failure::usage(error.to_string()))?;
    let started = tokio::task::spawn_blocking({
        let (bodies, messages) = (bodies.clone(), args.messages);
        move || ceiling::start(bodies, size, messages)
    });
    let ceiling = started.await.map_err(|error| Failure::failed(error.to_string()))??;
    let server = format!("http://{}", ceiling.address);
    let target = Target::connect(args, &server, run, bodies, false).await?;
    Ok(Figures::new(&target.round(args).await?, args.size, Rate::Messages))
}

fn bodies(args: &QueueBenchArgs, run: u32) -> Result<Bodies, Failure> {
    let size = usize::try_from(args.size).map_err(|error| Failure::usage(error.to_string()))?;
    Ok(Bodies::new(run, size))
}

/// Tells the messages and queues of this run from those of every other.
fn random() -> Result<u32, Failure> {
    getrandom::u32().map_err(|error| Failure::failed(error.to_string()))
}
