//! What SIGTERM and SIGINT do: the first begins the drain, the second ends the process at once.

use std::io;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// The exit code of a process that was told twice.
const EXIT_IMPATIENT: i32 = 1;

/// Listens from now on, so that no signal is missed while the engine opens.
pub(super) fn watch(draining: CancellationToken) -> io::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    tokio::spawn(async move {
        let first = next(&mut terminate, &mut interrupt).await;
        tracing::info!(
            signal = first,
            "draining: calls under way finish, new ones are refused; a second signal ends at once"
        );
        draining.cancel();
        let second = next(&mut terminate, &mut interrupt).await;
        tracing::warn!(signal = second, "ending at once; the next start replays the log");
        std::process::exit(EXIT_IMPATIENT);
    });
    Ok(())
}

async fn next(terminate: &mut Signal, interrupt: &mut Signal) -> &'static str {
    tokio::select! {
        _ = terminate.recv() => "SIGTERM",
        _ = interrupt.recv() => "SIGINT",
    }
}
