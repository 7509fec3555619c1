//! Rounds against the server, each followed by one against the ceiling.

use super::{args::StreamBenchArgs, ceiling, report::Report, round::Target};
use crate::cli::{
    Exit, Failure,
    bench::{
        figures::{Figures, Rate},
        ledger::Bodies,
    },
    interrupt::Interrupts,
    output,
};

pub(crate) fn run(args: StreamBenchArgs) -> Result<(), Failure> {
    args.check()?;
    if cfg!(debug_assertions) {
        output::note("this is a debug build: its figures say nothing about a release");
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let report = runtime.block_on(async {
        let (mut rounds, mut ceilings, mut shards) = (Vec::new(), Vec::new(), 0);
        for _ in 0..args.rounds {
            let (figures, count) = against_server(&args).await?;
            shards = count;
            rounds.push(figures);
            if args.ceiling {
                ceilings.push(against_ceiling(&args, count).await?);
            }
        }
        Ok::<_, Failure>(Report::new(&args, shards, rounds, ceilings))
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
        Err(Failure::new(Exit::Partly, "not every record was taken and came back once"))
    }
}

/// What the server did, and how many shards the stream had then.
async fn against_server(args: &StreamBenchArgs) -> Result<(Figures, usize), Failure> {
    let run = random()?;
    let bodies = Bodies::new(run, args.data_bytes()?);
    let target = Target::connect(args, &args.client.server, run, bodies, None).await?;
    let mut interrupts = Interrupts::listen();
    let round = async {
        target.create_stream(args).await?;
        let round = target.round(args).await?;
        Ok((round, target.shards().await?.len()))
    };
    let round = tokio::select! {
        round = round => round,
        () = interrupts.next() => Err(Failure::failed("interrupted")),
    };
    let deleted = target.delete_stream().await;
    let (round, shards) = round?;
    deleted?;
    Ok((Figures::new(&round, args.size, Rate::Records), shards))
}

async fn against_ceiling(args: &StreamBenchArgs, shards: usize) -> Result<Figures, Failure> {
    let (run, size) = (random()?, args.data_bytes()?);
    let bodies = Bodies::new(run, size);
    let shards = u32::try_from(shards).unwrap_or(u32::MAX);
    let started = tokio::task::spawn_blocking({
        let (bodies, records) = (bodies.clone(), args.records);
        move || ceiling::start(bodies, size, records, shards)
    });
    let ceiling = started.await.map_err(|error| Failure::failed(error.to_string()))??;
    let server = format!("http://{}", ceiling.address);
    let target = Target::connect(args, &server, run, bodies, Some(shards)).await?;
    Ok(Figures::new(&target.round(args).await?, args.size, Rate::Records))
}

/// Tells the records and the stream of this run from those of every other.
fn random() -> Result<u32, Failure> {
    getrandom::u32().map_err(|error| Failure::failed(error.to_string()))
}
