//! One access key: an id that may be shown, a secret that may not, and the user both stand for.

use crate::{
    base::{
        limits,
        name::AccountId,
        reason::{Reason, Refusal},
        secret::Secret,
        time::Timestamp,
    },
    domain::policy::{document::Policy, statement::Owner},
    engine::access::StoredKey,
    service::{broker::Identity, check},
};
use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

/// How exactly the last use of a key is known.
const LAST_USED_STEP: Duration = Duration::from_secs(60);
const USER_RULE: &str = "1 to 64 letters, digits and any of +=,.@_-";
const ID_RULE: &str = "3 to 128 letters, digits, hyphens and underscores";
const SECRET_RULE: &str = "1 to 256 ASCII characters without spaces";

/// An access key as calls meet it. A change of a key makes a new value.
#[derive(Debug)]
pub struct AccessKey {
    pub id: String,
    /// `None`: the development profile, where every secret is right.
    pub secret: Option<Secret>,
    pub account: AccountId,
    /// The user's name; several keys may have the same.
    pub name: String,
    /// Policy documents, kept to the byte. None: everything in the account.
    pub policies: Vec<String>,
    pub created: Timestamp,
    pub expires: Option<Timestamp>,
    pub disabled: bool,
    pub identity: Arc<Identity>,
    /// What callers with this key are called.
    pub(super) principal: Arc<str>,
    /// Milliseconds since the Unix epoch; 0: never.
    last_used: AtomicU64,
}

impl AccessKey {
    pub(super) fn from_stored(stored: StoredKey) -> Self {
        let arn = format!("arn:aws:iam::{}:user/{}", stored.account, stored.user);
        Self {
            identity: Arc::new(Identity {
                arn: arn.clone(),
                key_id: Some(stored.id.clone()),
                policies: stored.policies.iter().map(|text| Arc::new(compiled(text))).collect(),
            }),
            principal: arn.into(),
            id: stored.id,
            secret: Some(stored.secret),
            account: stored.account,
            name: stored.user,
            policies: stored.policies,
            created: stored.created,
            expires: stored.expires,
            disabled: stored.disabled,
            last_used: AtomicU64::new(stored.last_used.map_or(0, |at| at.0)),
        }
    }

    /// `None` for a key of the development profile, which is not kept.
    pub(super) fn to_stored(&self) -> Option<StoredKey> {
        Some(StoredKey {
            id: self.id.clone(),
            secret: self.secret.clone()?,
            account: self.account.clone(),
            user: self.name.clone(),
            policies: self.policies.clone(),
            created: self.created,
            expires: self.expires,
            last_used: self.last_used(),
            disabled: self.disabled,
        })
    }

    /// A key that nobody gave out: its account is the id when that is one, else `home`.
    pub(super) fn of_development(id: &str, home: &AccountId) -> Self {
        let account = AccountId::parse(id).unwrap_or_else(|_| home.clone());
        let arn = format!("arn:aws:iam::{account}:root");
        Self {
            id: id.to_owned(),
            secret: None,
            name: "root".to_owned(),
            account,
            policies: Vec::new(),
            created: Timestamp::ZERO,
            expires: None,
            disabled: false,
            identity: Arc::new(Identity { arn: arn.clone(), key_id: Some(id.to_owned()), policies: Vec::new() }),
            principal: arn.into(),
            last_used: AtomicU64::new(0),
        }
    }

    pub fn arn(&self) -> &str {
        &self.identity.arn
    }

    /// # Errors
    /// `UNAUTHENTICATED`: the key is disabled or has expired.
    pub fn usable(&self, now: Timestamp) -> Result<(), Refusal> {
        let wrong = |what: &str| Err(Refusal::new(Reason::Unauthenticated, format!("access key {} {what}", self.id)));
        if self.disabled {
            return wrong("is disabled");
        }
        if self.expires.is_some_and(|expires| expires <= now) {
            return wrong("has expired");
        }
        Ok(())
    }

    /// Known to the minute.
    pub fn last_used(&self) -> Option<Timestamp> {
        Some(self.last_used.load(Ordering::Relaxed)).filter(|at| *at != 0).map(Timestamp)
    }

    /// Notes a use; true when that is worth writing down.
    pub(super) fn touch(&self, now: Timestamp) -> bool {
        // Read by every call, written once a minute: the line stays in every core's cache.
        let last = Timestamp(self.last_used.load(Ordering::Relaxed));
        let is_news = last == Timestamp::ZERO || now.since(last) >= LAST_USED_STEP;
        if is_news {
            self.last_used.store(now.0, Ordering::Relaxed);
        }
        is_news
    }
}

/// What whoever makes a key says about it.
#[derive(Clone, Debug)]
pub struct NewKey {
    pub account: AccountId,
    pub user: String,
    pub policies: Vec<String>,
    pub expires: Option<Timestamp>,
}

impl NewKey {
    /// The key, when everything said about it is within the rules.
    ///
    /// # Errors
    /// The field, what was found and the rule.
    pub fn with(self, now: Timestamp, id: String, secret: Secret) -> Result<StoredKey, Refusal> {
        check_user(&self.user)?;
        check_policies(&self.policies)?;
        if self.expires.is_some_and(|expires| expires <= now) {
            return Err(check::outside("access_key.expire_time", "past", "a time to come, or unset for never"));
        }
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        if !(limits::ACCESS_KEY_ID_CHARS_MIN..=limits::ACCESS_KEY_ID_CHARS_MAX).contains(&id.len())
            || !id.bytes().all(fits)
        {
            return Err(check::outside("access_key.access_key_id", format!("{:?}", check::shorten(&id)), ID_RULE));
        }
        let text = secret.expose();
        if !(1..=limits::SECRET_KEY_CHARS_MAX).contains(&text.len()) || !text.bytes().all(|b| b.is_ascii_graphic()) {
            let found = format!("a text of {} bytes", text.len());
            return Err(check::outside("secret_access_key", found, SECRET_RULE));
        }
        let Self { account, user, policies, expires } = self;
        Ok(StoredKey { id, secret, account, user, policies, created: now, expires, last_used: None, disabled: false })
    }
}

/// A stored policy. One that cannot be read allows nothing: to leave it out would be to allow everything.
fn compiled(text: &str) -> Policy {
    Policy::parse(text, Owner::Identity).unwrap_or_else(|error| {
        tracing::warn!(%error, "the policy of an access key cannot be read and allows nothing");
        Policy::of_nothing(text)
    })
}

fn check_user(user: &str) -> Result<(), Refusal> {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"+=,.@_-".contains(&byte);
    if (1..=limits::USER_NAME_CHARS).contains(&user.len()) && user.bytes().all(fits) {
        return Ok(());
    }
    Err(check::outside("access_key.user_name", format!("{:?}", check::shorten(user)), USER_RULE))
}

fn check_policies(policies: &[String]) -> Result<(), Refusal> {
    const FIELD: &str = "access_key.policies";
    if policies.len() > limits::KEY_POLICIES_MAX {
        let limit = format!("{} policies at most", limits::KEY_POLICIES_MAX);
        return Err(check::outside(FIELD, format!("{} policies", policies.len()), limit));
    }
    for (index, policy) in policies.iter().enumerate() {
        Policy::parse(policy, Owner::Identity).map_err(|error| {
            let message = format!("{FIELD}[{index}]: {error}");
            Refusal::invalid(FIELD, message).with("value", error.found).with("limit", error.allowed)
        })?;
    }
    Ok(())
}

/// A new id and its secret, from random bytes: `AKIA` and 16 of `A-Z2-7`, and 40 letters and digits.
pub fn generate(mut fill: impl FnMut(&mut [u8])) -> (String, Secret) {
    const BASE_32: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    const BASE_62: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    let id = "AKIA".to_owned() + &random_text(BASE_32, 16, &mut fill);
    (id, Secret::new(random_text(BASE_62, 40, &mut fill)))
}

/// `letters` of an alphabet, each as likely as the others.
fn random_text(alphabet: &[u8], letters: usize, fill: &mut impl FnMut(&mut [u8])) -> String {
    let mut text = String::with_capacity(letters);
    // A byte at or above the last whole multiple would favour the first letters.
    let bound = 256 - 256 % alphabet.len();
    while text.len() < letters {
        let mut bytes = [0; 64];
        fill(&mut bytes);
        let fair = bytes.iter().filter(|byte| usize::from(**byte) < bound);
        let drawn = fair.filter_map(|byte| alphabet.get(usize::from(*byte) % alphabet.len()));
        text.extend(drawn.take(letters - text.len()).map(|letter| char::from(*letter)));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn new() -> NewKey {
        let account = AccountId::parse("123456789012").expect("valid");
        NewKey { account, user: "ann".into(), policies: Vec::new(), expires: None }
    }

    #[test]
    fn a_generated_pair_has_the_shape_of_an_aws_one_and_draws_every_letter() {
        let mut counter = 0u8;
        let (id, secret) = generate(|bytes| {
            for byte in bytes {
                counter = counter.wrapping_add(37);
                *byte = counter;
            }
        });
        assert!(id.len() == 20 && id.starts_with("AKIA"), "{id}");
        assert!(id.bytes().all(|byte| byte.is_ascii_uppercase() || (b'2'..=b'7').contains(&byte)), "{id}");
        assert_eq!(secret.expose().len(), 40);
        assert!(secret.expose().bytes().all(|byte| byte.is_ascii_alphanumeric()));
        // Bytes that no letter may have are passed over.
        let mut first = true;
        let text = random_text(b"abc", 4, &mut |bytes: &mut [u8]| {
            bytes.fill(if first { 255 } else { 4 });
            first = false;
        });
        assert_eq!(text, "bbbb");
    }

    #[test]
    fn what_is_said_about_a_key_follows_the_rules() {
        let secret = || Secret::new("secret");
        let stored = new().with(Timestamp(10), "test".into(), secret()).expect("within the rules");
        assert_eq!((stored.id.as_str(), stored.created, stored.disabled), ("test", Timestamp(10), false));
        let field = |new: NewKey, id: &str, secret: &str| {
            let refusal = new.with(Timestamp(10), id.into(), Secret::new(secret)).expect_err("outside");
            assert!(!refusal.message.contains("hush"), "{refusal}");
            refusal.field.expect("named")
        };
        assert_eq!(field(NewKey { user: String::new(), ..new() }, "test", "hush"), "access_key.user_name");
        assert_eq!(field(NewKey { user: "a b".into(), ..new() }, "test", "hush"), "access_key.user_name");
        let past = NewKey { expires: Some(Timestamp(10)), ..new() };
        assert_eq!(field(past, "test", "hush"), "access_key.expire_time");
        for id in ["ab", "a:b", "a/b", "ä-id", &"a".repeat(129)] {
            assert_eq!(field(new(), id, "hush"), "access_key.access_key_id", "{id}");
        }
        for secret in ["", "hush hush", "hush\n", &"h".repeat(257)] {
            assert_eq!(field(new(), "test", secret), "secret_access_key");
        }
        for policy in ["", "[]", "hush", &format!("{{\"a\":\"{}\"}}", "x".repeat(9000))] {
            let policies = vec![policy.to_owned()];
            let refusal = NewKey { policies, ..new() }.with(Timestamp(1), "test".into(), secret()).expect_err("odd");
            assert_eq!(refusal.field.as_deref(), Some("access_key.policies"));
        }
    }

    #[test]
    fn a_key_is_usable_until_it_expires_or_is_disabled() {
        let stored = NewKey { expires: Some(Timestamp(50)), ..new() };
        let stored = stored.with(Timestamp(1), "test".into(), Secret::new("s")).expect("valid");
        let key = AccessKey::from_stored(stored.clone());
        assert!(key.usable(Timestamp(49)).is_ok());
        assert!(key.usable(Timestamp(50)).expect_err("late").message.contains("has expired"));
        let key = AccessKey::from_stored(StoredKey { disabled: true, ..stored });
        assert!(key.usable(Timestamp(2)).expect_err("off").message.contains("is disabled"));
    }

    #[test]
    fn a_use_is_noted_once_a_minute() {
        let stored = new().with(Timestamp(1), "test".into(), Secret::new("s")).expect("valid");
        let key = AccessKey::from_stored(stored);
        assert_eq!(key.last_used(), None);
        assert!(key.touch(Timestamp(1_000)));
        assert!(!key.touch(Timestamp(60_999)));
        assert_eq!(key.last_used(), Some(Timestamp(1_000)));
        assert!(key.touch(Timestamp(61_000)));
        assert_eq!(key.to_stored().expect("kept").last_used, Some(Timestamp(61_000)));
    }

    #[test]
    fn a_key_of_the_development_profile_has_its_id_as_account_when_that_is_one() {
        let home = AccountId::parse("000000000000").expect("valid");
        assert_eq!(AccessKey::of_development("123456789012", &home).arn(), "arn:aws:iam::123456789012:root");
        assert_eq!(AccessKey::of_development("test", &home).arn(), "arn:aws:iam::000000000000:root");
    }
}
