//! A stream at work until the power goes: records, splits and merges, and what its readers must find afterwards.

use super::load::Site;
use crate::{
    domain::stream::{ShardId, StreamError, event::Event},
    engine::{
        client::Engine,
        stream_tests::support::{change, created, follow, record, stream_path},
        streams::{handle::StreamHandle, record::PutBatch, view::View},
    },
};
use rand::{Rng as _, rngs::SmallRng};
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};

const NAME: &str = "kept";
const KEYS: u64 = 5;
const RETENTION: Duration = Duration::from_secs(365 * 24 * 3600);

/// What one producer, who waits for each answer, put under each key, and whether it was told that it is stored.
#[derive(Clone, Default)]
pub(super) struct Records {
    by_key: BTreeMap<String, Vec<(String, bool)>>,
    next: u64,
}

impl Records {
    fn begin(&mut self, random: &mut SmallRng) -> (String, String) {
        let (key, text) = (format!("k{}", random.random_range(0..KEYS)), format!("{:08}", self.next));
        self.next += 1;
        self.by_key.entry(key.clone()).or_default().push((text.clone(), false));
        (key, text)
    }

    /// All that was put up to now, with what was known to be stored then: what a backup has to hold that began then.
    pub(super) fn as_known(&self, then: &Self) -> Self {
        let was_stored = |key: &str, text: &str| {
            let known = then.by_key.get(key).and_then(|texts| texts.iter().find(|(known, _)| known == text));
            known.is_some_and(|(_, is_stored)| *is_stored)
        };
        let by_key = self.by_key.iter().map(|(key, texts)| {
            let texts = texts.iter().map(|(text, _)| (text.clone(), was_stored(key, text)));
            (key.clone(), texts.collect())
        });
        Self { by_key: by_key.collect(), next: self.next }
    }

    fn stored(&mut self, key: &str, text: &str) {
        let known = self.by_key.get_mut(key).and_then(|texts| texts.iter_mut().find(|(known, _)| known == text));
        known.expect("it was put").1 = true;
    }
}

async fn stream(site: Site<'_>) -> Option<Arc<StreamHandle>> {
    if let Ok(found) = site.engine.find_stream(&stream_path(NAME)) {
        return Some(found);
    }
    let made = site.engine.create_stream(stream_path(NAME), created(2, RETENTION)).await;
    Some(site.unless_opening(made)?.expect("a stream"))
}

/// Splits or merges where it can be done.
fn reshard(view: &View<'_>, number: u32) -> Result<Vec<Event>, StreamError> {
    let open: Vec<ShardId> = view.stream.shards().filter(|shard| shard.is_open()).map(|shard| shard.id).collect();
    if open.len() >= 4 {
        return view.stream.update_shard_count(view.now, 2);
    }
    let chosen = open.get(number as usize % open.len().max(1)).copied().unwrap_or_default();
    Ok(vec![view.stream.split(view.now, chosen, None)?])
}

/// Puts records one call after the other, and changes the shards now and then.
pub(super) async fn put_and_reshard(
    site: Site<'_>,
    told: &Mutex<Records>,
    mut random: SmallRng,
    rounds: usize,
) -> Option<()> {
    let stream = stream(site).await?;
    for _ in 0..rounds {
        let mut named = Vec::new();
        for _ in 0..random.random_range(1..4) {
            named.push(told.lock().expect("told").begin(&mut random));
        }
        let records = named.iter().map(|(key, text)| record(key, text)).collect();
        let results = site.unless_cut(site.engine.put_records(&stream, PutBatch { records, producer: None }).await)?;
        for ((key, text), result) in named.iter().zip(results) {
            result.expect("stored");
            told.lock().expect("told").stored(key, text);
        }
        if random.random_bool(0.15) {
            let number = random.random();
            // Too often in a day, or no room between two keys: then not.
            let _ = change(site.engine, &stream, move |view| reshard(view, number)).await?;
        }
    }
    Some(())
}

/// A reader of everything finds what was acknowledged once and in order, and of the rest some, in its place.
pub(super) async fn check(engine: &Engine, told: &Records, what: &str) {
    let wanted = &told.by_key;
    while engine.find_stream(&stream_path(NAME)).is_err() {
        if wanted.values().flatten().all(|(_, is_stored)| !is_stored) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let stream = engine.find_stream(&stream_path(NAME)).expect("there");
    let found = follow(engine, &stream).await.expect("read");
    for (key, texts) in &found {
        let tried = wanted.get(key).unwrap_or_else(|| panic!("{what}: nobody put anything under {key}"));
        let mut rest = tried.iter();
        for text in texts {
            let before = rest.by_ref().take_while(|(one, _)| one != text).filter(|(_, is_stored)| *is_stored).count();
            assert_eq!(before, 0, "{what}: under {key} something is missing before {text}, or twice: {texts:?}");
        }
        assert!(rest.all(|(_, is_stored)| !is_stored), "{what}: the end of {key} is missing: {texts:?}");
    }
    let lost = wanted.iter().filter(|(key, _)| !found.contains_key(*key)).flat_map(|(_, texts)| texts);
    assert_eq!(lost.filter(|(_, is_stored)| *is_stored).count(), 0, "{what}: a key is missing");
}
