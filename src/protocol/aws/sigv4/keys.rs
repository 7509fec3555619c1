//! Signing keys: derived from a secret for a day, a region and a service, and kept for the next request.

use super::claim::Credential;
use hmac::{Hmac, Mac};
use sha2::Sha256;
use std::{
    collections::HashMap,
    mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use subtle::ConstantTimeEq;

/// Keys of one generation; two are kept.
const GENERATION: usize = 2048;

/// A key that signs one day's requests to one service of one region.
#[derive(Debug)]
pub(super) struct SigningKey {
    secret: Box<[u8]>,
    /// HMAC with the key taken in already.
    mac: Hmac<Sha256>,
}

impl SigningKey {
    pub(super) fn derive(secret: &str, credential: &Credential<'_>) -> Self {
        let first = [b"AWS4", secret.as_bytes()].concat();
        let date = sum(keyed(&first), credential.date());
        let region = sum(keyed(&date), credential.part(2));
        let service = sum(keyed(&region), credential.part(3));
        let mac = keyed(&sum(keyed(&service), credential.part(4)));
        Self { secret: secret.as_bytes().into(), mac }
    }

    pub(super) fn sign(&self, parts: &[&[u8]]) -> [u8; 32] {
        let mut mac = self.mac.clone();
        parts.iter().for_each(|part| mac.update(part));
        mac.finalize().into_bytes().into()
    }
}

fn keyed(key: &[u8]) -> Hmac<Sha256> {
    Hmac::new_from_slice(key).expect("HMAC takes a key of any length")
}

fn sum(mut mac: Hmac<Sha256>, text: &str) -> [u8; 32] {
    mac.update(text.as_bytes());
    mac.finalize().into_bytes().into()
}

/// The keys of requests that were verified, by their whole credential. At most two generations: when the younger one is
/// full, the older one goes.
#[derive(Debug, Default)]
pub(super) struct SigningKeys {
    generations: Mutex<Generations>,
}

type Generation = HashMap<Box<str>, Arc<SigningKey>>;

#[derive(Debug, Default)]
struct Generations {
    young: Generation,
    old: Generation,
}

impl Generations {
    fn insert(&mut self, credential: Box<str>, key: Arc<SigningKey>) {
        if self.young.len() >= GENERATION {
            self.old = mem::take(&mut self.young);
        }
        self.young.insert(credential, key);
    }
}

impl SigningKeys {
    /// The key of this credential, unless it was derived from another secret.
    pub(super) fn find(&self, credential: &Credential<'_>, secret: &str) -> Option<Arc<SigningKey>> {
        let mut generations = self.lock();
        let key = match generations.young.get(credential.as_str()) {
            Some(key) => key.clone(),
            None => {
                let (credential, key) = generations.old.remove_entry(credential.as_str())?;
                generations.insert(credential, key.clone());
                key
            }
        };
        drop(generations);
        bool::from(key.secret.ct_eq(secret.as_bytes())).then_some(key)
    }

    /// Keeps a key with which a signature matched: others would let anyone fill the memory.
    pub(super) fn keep(&self, credential: &Credential<'_>, key: Arc<SigningKey>) {
        self.lock().insert(credential.as_str().into(), key);
    }

    fn lock(&self) -> MutexGuard<'_, Generations> {
        self.generations.lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        let generations = self.lock();
        generations.young.len() + generations.old.len()
    }
}
