//! What every batch has to be, and how its results are written.

use crate::protocol::aws::{
    call::{Call, Reply},
    errors::sqs,
    fault::Fault,
    wire::{
        input::{Input, Names},
        writer::Writer,
    },
};
use std::collections::HashSet;

const ENTRIES_MAX: usize = 10;
const ID_CHARS_MAX: usize = 80;

/// The entries of a batch, each with its id, when they are neither too few nor too many and their ids tell them apart.
/// `names` are the list's in both forms; the second is also the entry's in messages.
pub(super) fn entries<'a>(input: &'a Input<'_>, names: Names) -> Result<Vec<(String, Input<'a>)>, Fault> {
    let entries = input.entries(names)?;
    let count = entries.len();
    if count == 0 {
        let text = format!("There should be at least one {} in the request.", names.1);
        return Err(Fault::new(&sqs::EMPTY_BATCH_REQUEST, text));
    }
    if count > ENTRIES_MAX {
        let text = format!("Maximum number of entries per request are {ENTRIES_MAX}. You have sent {count}.");
        return Err(Fault::new(&sqs::TOO_MANY_ENTRIES, text));
    }
    let mut with_ids = Vec::with_capacity(count);
    for entry in entries {
        let id = entry.text("Id")?.unwrap_or_default().into_owned();
        if !is_id(&id) {
            const TEXT: &str = "A batch entry id can only contain alphanumeric characters, hyphens and underscores. \
                                It can be at most 80 letters long.";
            return Err(Fault::new(&sqs::INVALID_BATCH_ENTRY_ID, TEXT));
        }
        with_ids.push((id, entry));
    }
    let mut seen = HashSet::with_capacity(count);
    if let Some((id, _)) = with_ids.iter().find(|(id, _)| !seen.insert(id)) {
        return Err(Fault::new(&sqs::BATCH_ENTRY_IDS_NOT_DISTINCT, format!("Id {id} repeated.")));
    }
    Ok(with_ids)
}

fn is_id(id: &str) -> bool {
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    (1..=ID_CHARS_MAX).contains(&id.len()) && id.bytes().all(legal)
}

/// The answer to a batch: what succeeded, then what failed, each in the order of the request.
pub(super) fn reply<T>(
    call: &Call,
    successful: &'static str,
    results: Vec<(String, Result<T, Fault>)>,
    mut members: impl FnMut(&mut Writer, T),
) -> Reply {
    let mut failed = Vec::new();
    let mut good = Vec::with_capacity(results.len());
    for (id, result) in results {
        match result {
            Ok(result) => good.push((id, result)),
            Err(fault) => failed.push((id, fault)),
        }
    }
    call.reply(192 * (good.len() + failed.len()), |w| {
        w.list(("Successful", successful), good, |w, (id, result)| {
            w.plain("Id", &id);
            members(w, result);
        });
        w.list(("Failed", "BatchResultErrorEntry"), failed, |w, (id, fault)| {
            w.plain("Id", &id);
            w.flag("SenderFault", !fault.kind.is_receivers);
            w.plain("Code", fault.kind.query_code);
            w.text("Message", &fault.message);
        });
    })
}
