//! A start that takes long is told of: to the log, and to whoever calls meanwhile.
//!
//! A start is short as a rule; who calls during one waits in the queue of the port and is served. Only a long one
//! answers, so that nobody waits without knowing for what.

use super::{adapters::SystemClock, serve::ServeError};
use crate::{
    engine::opening::Opening,
    protocol::{
        front::{HowFar, answer_while_starting},
        port::serve::ServerOptions,
    },
};
use std::{net::TcpListener, sync::Arc, time::Duration};
use tokio::{runtime::Runtime, task::JoinHandle, time::sleep};
use tokio_util::sync::CancellationToken;

/// A start that takes longer is a long one.
const SHORT: Duration = Duration::from_secs(2);
/// Between two lines of the log.
const PERIOD: Duration = Duration::from_secs(5);

pub(super) struct Waiting {
    there: CancellationToken,
    tasks: [JoinHandle<()>; 2],
}

/// Begins to watch a start over the port's listeners.
pub(super) fn begin(
    runtime: &Runtime,
    listeners: &[TcpListener],
    options: &ServerOptions,
    opening: &Arc<Opening>,
) -> Result<Waiting, ServeError> {
    let there = CancellationToken::new();
    let listeners: Vec<TcpListener> =
        listeners.iter().map(TcpListener::try_clone).collect::<Result<_, _>>().map_err(ServeError::Serve)?;
    let (watched, told) = (opening.clone(), opening.clone());
    let how_far: HowFar = Arc::new(move || watched.describe());
    let (options, stop, quiet) = (options.clone(), there.clone(), there.clone());
    let answer = runtime.spawn(async move {
        tokio::select! {
            () = stop.cancelled() => return,
            () = sleep(SHORT) => {}
        }
        let answered = answer_while_starting(listeners, Arc::new(SystemClock), options, how_far, stop).await;
        if let Err(error) = answered {
            tracing::warn!(%error, "who calls during this start is not answered");
        }
    });
    let tell = runtime.spawn(async move {
        while quiet.run_until_cancelled(sleep(PERIOD)).await.is_some() {
            tracing::info!("starting: {}", told.describe());
        }
    });
    Ok(Waiting { there, tasks: [answer, tell] })
}

impl Waiting {
    /// The start is over: nobody is answered any more when this returns.
    pub(super) async fn end(self) {
        self.there.cancel();
        for task in self.tasks {
            if let Err(error) = task.await {
                tracing::warn!(%error, "watching the start went wrong");
            }
        }
    }
}
