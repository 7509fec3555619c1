//! A queue's head as bytes, and back.

use crate::{
    base::{
        id::{LeaseId, MessageId, MessageSeq, PartitionId},
        time::Timestamp,
    },
    domain::queue::{Attempt, Head, Producer, RedriveView, Remembered, event::RedriveStarted, settings::Scope},
    engine::journal::{
        DecodeError, redrive_ended_from, redrive_ended_to, redrive_started_from, redrive_started_to, settings_from,
        settings_to,
    },
    proto::storage::v1 as wire,
};
use prost::Message as _;

pub(crate) fn encode_head(head: &Head) -> Vec<u8> {
    let head = wire::Head {
        settings: Some(settings_to(&head.settings)),
        deduplicate_by_group: head.deduplication_scope == Scope::MessageGroup,
        now_ms: head.now.0,
        next_seq: head.next_seq.0,
        purged_below: head.purged_below.0,
        purged_at_ms: head.purged_at.map(|time| time.0),
        deduplication: head.deduplication.iter().map(remembered_to).collect(),
        attempts: head.attempts.iter().map(attempt_to).collect(),
        producers: head.producers.iter().map(producer_to).collect(),
        transfers: head
            .transfers
            .iter()
            .map(|(partition, number)| wire::TransferMark { partition: partition.0, number: *number })
            .collect(),
        redrives: head.redrives.iter().map(redrive_to).collect(),
    };
    head.encode_to_vec()
}

pub(crate) fn decode_head(bytes: &[u8]) -> Result<Head, DecodeError> {
    let head = wire::Head::decode(bytes)?;
    Ok(Head {
        settings: settings_from(head.settings.ok_or(DecodeError::Missing("settings"))?),
        deduplication_scope: if head.deduplicate_by_group { Scope::MessageGroup } else { Scope::Queue },
        now: Timestamp(head.now_ms),
        next_seq: MessageSeq(head.next_seq),
        purged_below: MessageSeq(head.purged_below),
        purged_at: head.purged_at_ms.map(Timestamp),
        deduplication: head.deduplication.into_iter().map(remembered_from).collect::<Result<_, _>>()?,
        attempts: head.attempts.into_iter().map(attempt_from).collect(),
        producers: head.producers.into_iter().map(producer_from).collect(),
        transfers: head.transfers.into_iter().map(|mark| (PartitionId(mark.partition), mark.number)).collect(),
        redrives: head.redrives.into_iter().map(redrive_from).collect::<Result<_, _>>()?,
    })
}

fn remembered_to(send: &Remembered) -> wire::Remembered {
    wire::Remembered {
        group: send.group.as_deref().map(Into::into),
        deduplication_id: send.deduplication_id.to_string(),
        message_id: send.message_id.0.to_vec(),
        seq: send.seq.0,
        send_time_ms: send.send_time.0,
    }
}

fn remembered_from(send: wire::Remembered) -> Result<Remembered, DecodeError> {
    let id = send.message_id.as_slice().try_into().map_err(|_| DecodeError::Missing("message id"))?;
    Ok(Remembered {
        group: send.group.map(Into::into),
        deduplication_id: send.deduplication_id.into(),
        message_id: MessageId(id),
        seq: MessageSeq(send.seq),
        send_time: Timestamp(send.send_time_ms),
    })
}

fn attempt_to(attempt: &Attempt) -> wire::Attempt {
    wire::Attempt {
        id: attempt.id.to_string(),
        at_ms: attempt.at.0,
        visible_at_ms: attempt.visible_at.0,
        leases: attempt.leases.iter().flat_map(|(seq, lease)| [seq.0, lease.0]).collect(),
    }
}

fn attempt_from(attempt: wire::Attempt) -> Attempt {
    let pairs = attempt.leases.chunks_exact(2);
    let leases = pairs.filter_map(|pair| match pair {
        [seq, lease] => Some((MessageSeq(*seq), LeaseId(*lease))),
        _ => None,
    });
    Attempt {
        id: attempt.id.into(),
        at: Timestamp(attempt.at_ms),
        visible_at: Timestamp(attempt.visible_at_ms),
        leases: leases.collect(),
    }
}

fn producer_to(producer: &Producer) -> wire::Producer {
    wire::Producer { id: producer.id.to_string(), sequence: producer.sequence, last_seq: producer.last.0 }
}

fn producer_from(producer: wire::Producer) -> Producer {
    Producer { id: producer.id.into(), sequence: producer.sequence, last: MessageSeq(producer.last_seq) }
}

fn redrive_to(redrive: &RedriveView) -> wire::RedriveState {
    wire::RedriveState {
        started: Some(redrive_started_to(&redrive.started)),
        moved: redrive.moved,
        ended: redrive.ended.as_ref().map(|(outcome, at)| redrive_ended_to(redrive.started.id, outcome, *at)),
    }
}

fn redrive_from(redrive: wire::RedriveState) -> Result<RedriveView, DecodeError> {
    let started: RedriveStarted = redrive_started_from(redrive.started.ok_or(DecodeError::Missing("redrive"))?)?;
    let ended = redrive.ended.map(redrive_ended_from).transpose()?;
    let ended = ended.map(|(_, outcome, at)| (outcome, at));
    Ok(RedriveView { started, moved: redrive.moved, ended })
}
