//! Access keys through the use cases: who a call comes from, who may manage keys, what survives a restart.

use crate::broker::{KEY_ID, SECRET, TestBroker, start};
use forebay::{
    base::{
        name::AccountId,
        reason::{Reason, Refusal},
        secret::Secret,
        time::{Clock as _, Timestamp},
    },
    engine::access::KeyFile,
    runtime::SystemClock,
    service::{
        access::{
            keys::{AccessKeys, Trust},
            manage::{CreateAccessKey, ImportAccessKey, ListAccessKeys},
        },
        broker::{Caller, Via},
    },
    storage::{access, io::SysIo},
};
use std::{sync::Arc, time::Duration};

fn from(ip: &str, secure: bool) -> Via {
    Via { source_ip: Some(ip.parse().unwrap()), secure }
}

fn here() -> Via {
    from("127.0.0.1", false)
}

fn admin(broker: &TestBroker) -> Caller {
    broker.broker.bearer(Some(format!("Bearer {KEY_ID}:{SECRET}").as_bytes()), here()).unwrap()
}

fn user(name: &str, account: &str) -> CreateAccessKey {
    CreateAccessKey { user: name.into(), account: account.into(), ..CreateAccessKey::default() }
}

fn reason<T>(result: Result<T, Refusal>) -> Reason {
    result.err().expect("refused").reason
}

/// A caller with a new key of this account.
async fn caller_of(broker: &TestBroker, account: &str) -> Caller {
    let key = broker.broker.create_access_key(&admin(broker), user("ann", account)).await.unwrap();
    let header = format!("Bearer {}:{}", key.id, key.secret.as_ref().unwrap().expose());
    broker.broker.bearer(Some(header.as_bytes()), here()).unwrap()
}

#[tokio::test]
async fn a_caller_is_who_its_key_says() {
    let broker = start().await;
    let caller = admin(&broker);
    assert_eq!(caller.account.as_str(), "000000000000");
    assert_eq!(caller.region.as_str(), "us-east-1");
    assert_eq!(&*caller.principal, "arn:aws:iam::000000000000:user/admin");
    assert_eq!((caller.identity.arn.as_str(), caller.identity.key_id.as_deref()), (&*caller.principal, Some(KEY_ID)));
    assert_eq!(caller.via, here());
    let key = broker.broker.access_key(KEY_ID).unwrap();
    assert!(key.last_used().is_some());
    assert_eq!(reason(broker.broker.access_key("AKIANOBODY")), Reason::Unauthenticated);
}

#[tokio::test]
async fn whoever_cannot_prove_a_key_is_refused() {
    let broker = start().await;
    let good = format!("Bearer {KEY_ID}:{SECRET}");
    let said = |header: Option<&str>, via| broker.broker.bearer(header.map(str::as_bytes), via);
    let one_changed = good.replace("xyz", "xyZ");
    for (header, why) in [
        (None, "carries no access key"),
        (Some("Basic abc"), "is not \"Bearer ID:SECRET\""),
        (Some("Bearer AKIANOBODY:secret"), "not known here, or its secret is wrong"),
        (Some(one_changed.as_str()), "not known here, or its secret is wrong"),
        (Some(&good[..good.len() - 1]), "not known here, or its secret is wrong"),
    ] {
        let refusal = said(header, here()).expect_err("refused");
        assert!(refusal.reason == Reason::Unauthenticated && refusal.message.contains(why), "{refusal}");
        assert!(!refusal.message.contains("xyz"), "{refusal}");
    }
    for open in [from("192.0.2.7", false), Via::default()] {
        let refusal = said(Some(&good), open).expect_err("others can read along");
        assert!(refusal.message.contains("over TLS or from this machine only"), "{refusal}");
    }
    for private in [from("::1", false), from("::ffff:127.0.0.9", false), from("192.0.2.7", true)] {
        assert!(said(Some(&good), private).is_ok(), "{private:?}");
    }
}

#[tokio::test]
async fn a_key_works_until_it_is_revoked_or_expires() {
    let broker = start().await;
    let caller = admin(&broker);
    let key = broker.broker.create_access_key(&caller, user("ann", "")).await.unwrap();
    let header = format!("Bearer {}:{}", key.id, key.secret.as_ref().unwrap().expose());
    let call = || broker.broker.bearer(Some(header.as_bytes()), here());
    assert_eq!(&*call().unwrap().principal, "arn:aws:iam::000000000000:user/ann");
    broker.broker.revoke_access_key(&caller, &key.id, false).await.unwrap();
    assert!(call().expect_err("disabled").message.contains("is disabled"));
    assert!(broker.broker.access_key(&key.id).is_err());
    broker.broker.revoke_access_key(&caller, &key.id, true).await.unwrap();
    assert!(call().expect_err("gone").message.contains("not known here"));
    assert_eq!(reason(broker.broker.revoke_access_key(&caller, &key.id, true).await), Reason::AccessKeyNotFound);

    let soon = Timestamp(SystemClock.now().0 + 300);
    let passing = CreateAccessKey { expires: Some(soon), ..user("bob", "") };
    let key = broker.broker.create_access_key(&caller, passing).await.unwrap();
    let wait = soon.since(SystemClock.now()) + Duration::from_millis(1);
    tokio::time::sleep(wait).await;
    assert!(broker.broker.access_key(&key.id).expect_err("late").message.contains("has expired"));
}

#[tokio::test]
async fn an_account_manages_its_own_keys_and_the_servers_account_all() {
    let broker = start().await;
    let (admin, other) = (admin(&broker), caller_of(&broker, "111111111111").await);
    let uses = &broker.broker;
    let theirs = uses.create_access_key(&other, user("bob", "")).await.unwrap();
    assert_eq!(theirs.arn(), "arn:aws:iam::111111111111:user/bob");
    assert_eq!(reason(uses.create_access_key(&other, user("eve", "000000000000")).await), Reason::AccessDenied);
    assert_eq!(reason(uses.revoke_access_key(&other, KEY_ID, true).await), Reason::AccessKeyNotFound);
    let all = |caller: &Caller| uses.list_access_keys(caller, &ListAccessKeys::default()).unwrap().keys.len();
    assert_eq!((all(&admin), all(&other)), (3, 2));
    uses.revoke_access_key(&admin, &theirs.id, true).await.unwrap();
    assert_eq!((all(&admin), all(&other)), (2, 1));
}

#[tokio::test]
async fn an_imported_key_keeps_its_id_and_secret() {
    let broker = start().await;
    let caller = admin(&broker);
    let import = |id: &str| ImportAccessKey {
        id: id.into(),
        secret: Secret::new("as/it+was"),
        key: user("ann", "222222222222"),
    };
    broker.broker.import_access_key(&caller, import("elsewhere_1")).await.unwrap();
    let known = broker.broker.bearer(Some(b"Bearer elsewhere_1:as/it+was"), here()).unwrap();
    assert_eq!(known.account.as_str(), "222222222222");
    assert_eq!(reason(broker.broker.import_access_key(&caller, import("elsewhere_1")).await), Reason::AccessKeyExists);
    assert_eq!(reason(broker.broker.import_access_key(&caller, import("a:b")).await), Reason::InvalidArgument);
}

#[tokio::test]
async fn keys_are_listed_by_id_a_page_at_a_time() {
    let broker = start().await;
    let caller = admin(&broker);
    for _ in 0..4 {
        broker.broker.create_access_key(&caller, user("ann", "")).await.unwrap();
    }
    let mut request = ListAccessKeys { page_size: 2, ..ListAccessKeys::default() };
    let (mut ids, mut pages) = (Vec::new(), 0);
    loop {
        let page = broker.broker.list_access_keys(&caller, &request).unwrap();
        ids.extend(page.keys.iter().map(|key| key.id.clone()));
        pages += 1;
        request.page_token = page.next_page_token;
        if request.page_token.is_empty() {
            break;
        }
    }
    assert!(ids.is_sorted() && ids.len() == 5 && pages == 3, "{ids:?}");
}

#[tokio::test]
async fn keys_and_their_last_use_survive_a_restart() {
    let broker = start().await;
    let caller = admin(&broker);
    let policy = r#"{ "Version" : "2012-10-17", "Statement": {"Effect":"Allow","Action":"sqs:*","Resource":"*"} }"#;
    let new = CreateAccessKey { policies: vec![policy.into()], ..user("ann", "") };
    let made = broker.broker.create_access_key(&caller, new).await.unwrap();
    broker.broker.access_keys().keep_uses(SystemClock.now());
    let again = AccessKeys::open(KeyFile::new(Arc::new(SysIo), broker.dir.path()), Trust::Keys).unwrap();
    let found = again.find(&made.id).unwrap();
    assert_eq!((&found.secret, &found.policies, found.last_used()), (&made.secret, &vec![policy.to_owned()], None));
    assert!(again.find(KEY_ID).unwrap().last_used().is_some());
}

#[tokio::test]
async fn a_damaged_file_of_keys_is_an_error_and_stays_as_it_is() {
    let broker = start().await;
    let path = access::path_of(broker.dir.path());
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[70] ^= 1;
    std::fs::write(&path, &bytes).unwrap();
    let opened = AccessKeys::open(KeyFile::new(Arc::new(SysIo), broker.dir.path()), Trust::Keys);
    let error = opened.err().expect("damaged").to_string();
    assert!(error.contains("access/keys is damaged: its CRC does not match"), "{error}");
    assert_eq!(std::fs::read(&path).unwrap(), bytes);
}

#[test]
fn anybody_is_believed_in_the_development_profile() {
    let dir = tempfile::tempdir().unwrap();
    let keys = AccessKeys::open(KeyFile::new(Arc::new(SysIo), dir.path()), Trust::Anybody).unwrap();
    assert!(keys.is_empty() && keys.trust() == Trust::Anybody);
    assert_eq!(keys.list(AccountId::parse("000000000000").ok().as_ref(), "", 5).len(), 0);
}
