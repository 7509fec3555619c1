//! How a consume session begins: its fields checked, the leases of a broken session taken over.

use super::{
    ledger::{FlowControl, LeaseRule, Ledger},
    session::{ConsumeSession, give_back},
};
use crate::{
    base::{limits, reason::Refusal},
    service::{
        authorise::Action,
        broker::{Broker, Caller, Rules},
        check,
        sessions::{Held, SessionId},
        words::QueueDefinition,
    },
};
use std::{collections::HashSet, sync::Arc, time::Duration};
use tokio::time::Instant;

/// The shortest lease a session can keep alive.
const VISIBILITY_TIMEOUT_MIN: Duration = Duration::from_secs(1);

#[derive(Clone, Debug, Default)]
pub struct OpenConsume {
    pub queue: String,
    /// Shown to operators.
    pub consumer_name: String,
    pub flow_control: Option<FlowControl>,
    /// `None`: as the queue says.
    pub visibility_timeout: Option<Duration>,
    pub max_lease: Option<Duration>,
    /// How long leases wait for a resume when the call breaks. `None`: to their timeout.
    pub release_grace: Option<Duration>,
    pub max_batch_delay: Option<Duration>,
    /// Empty: a new session.
    pub resume_session_id: String,
    /// What the client still holds of the resumed session; empty: everything.
    pub held_receipt_handles: Vec<String>,
}

/// What of a session is not its ledger's.
#[derive(Clone, Copy, Debug)]
pub(super) struct SessionRule {
    pub(super) lease: LeaseRule,
    pub(super) release_grace: Option<Duration>,
    pub(super) max_batch_delay: Duration,
}

/// Checks a flow control sent at the beginning or later. 0 bytes means the default.
pub(super) fn flow_control(rules: &Rules, field: &'static str, flow: FlowControl) -> Result<FlowControl, Refusal> {
    check::number(field, flow.messages, 0, rules.consume_messages_max)?;
    let bytes = if flow.bytes == 0 { rules.consume_bytes } else { flow.bytes };
    Ok(FlowControl { bytes, ..flow })
}

impl Broker {
    pub async fn open_consume(
        self: &Arc<Self>,
        caller: &Caller,
        request: OpenConsume,
    ) -> Result<ConsumeSession, Refusal> {
        self.refuse_when_draining()?;
        let queue = self.queue_for(caller, Action::Receive, "open.queue", &request.queue)?;
        check::text("open.consumer_name", &request.consumer_name, limits::SHORT_ID_CHARS)?;
        let rules = &self.facts.rules;
        let unsaid = FlowControl { messages: rules.consume_messages, bytes: rules.consume_bytes };
        let flow =
            flow_control(rules, "open.flow_control.max_outstanding_messages", request.flow_control.unwrap_or(unsaid))?;
        let rule = session_rule(rules, &request, queue.options.visibility_timeout)?;
        let resumed = self.resume(caller, &queue, &request).await?;
        let (id, ledger) = match resumed {
            Some((id, mut ledger)) => {
                ledger.resume(flow, rule.lease, Instant::now());
                (id, ledger)
            }
            None => (SessionId(self.random()), Ledger::new(flow, rule.lease, queue.options.fifo.is_some())),
        };
        let held = Arc::new(Held::new(queue.id, caller.clone(), ledger));
        self.sessions.insert(id, held.clone());
        Ok(ConsumeSession::new(self.clone(), queue, id, held, rule))
    }

    /// Takes over what the broken session holds, and gives back what the client lost of it.
    async fn resume(
        &self,
        caller: &Caller,
        queue: &QueueDefinition,
        request: &OpenConsume,
    ) -> Result<Option<(SessionId, Ledger)>, Refusal> {
        let text = request.resume_session_id.as_str();
        if text.is_empty() {
            return Ok(None);
        }
        let invalid = || {
            let found = format!("{:?}", check::shorten(text));
            check::outside("open.resume_session_id", found, "the session_id of an Opened frame, or empty")
        };
        let id = SessionId::parse(text).ok_or_else(invalid)?;
        let parse = |handle: &String| self.engine.parse_receipt(handle);
        let kept = request.held_receipt_handles.iter().map(parse).collect::<Result<HashSet<_>, _>>();
        let kept = kept.map_err(|refusal| refusal.at("open.held_receipt_handles"))?;
        let Some(mut ledger) = self.sessions.take_over(id, queue.id, caller) else { return Ok(None) };
        if !kept.is_empty() {
            let lost: Vec<_> = ledger.receipts().into_iter().filter(|receipt| !kept.contains(receipt)).collect();
            lost.iter().for_each(|receipt| ledger.forget(receipt));
            give_back(self, queue, lost).await;
        }
        Ok(Some((id, ledger)))
    }
}

fn session_rule(rules: &Rules, request: &OpenConsume, queue_timeout: Duration) -> Result<SessionRule, Refusal> {
    let (least, most) = (VISIBILITY_TIMEOUT_MIN, limits::VISIBILITY_TIMEOUT_MAX);
    let visibility_timeout = match request.visibility_timeout {
        Some(timeout) => check::duration("open.visibility_timeout", timeout, least, most)?,
        None => queue_timeout.max(least),
    };
    let max_lease = request.max_lease.unwrap_or(rules.max_lease);
    check::duration("open.max_lease", max_lease, least, most)?;
    if let Some(grace) = request.release_grace {
        check::duration("open.release_grace", grace, Duration::ZERO, limits::RELEASE_GRACE_MAX)?;
    }
    let max_batch_delay = request.max_batch_delay.unwrap_or_default();
    check::duration("open.max_batch_delay", max_batch_delay, Duration::ZERO, limits::BATCH_DELAY_MAX)?;
    let lease = LeaseRule { visibility_timeout, max_lease };
    Ok(SessionRule { lease, release_grace: request.release_grace, max_batch_delay })
}
