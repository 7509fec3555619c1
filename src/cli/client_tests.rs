//! What the answers of a server become.

use super::*;
use tonic_types::ErrorDetails;

fn failure(code: Code, reason: Option<&str>) -> Failure {
    let mut details = ErrorDetails::new();
    if let Some(reason) = reason {
        details.set_error_info(reason, "forebay", std::collections::HashMap::<String, String>::new());
    }
    Status::with_error_details(code, "it did not work", details).into()
}

#[test]
fn a_code_and_a_reason_become_an_exit_code() {
    let table = [
        (Code::NotFound, Some("QUEUE_NOT_FOUND"), Exit::NotFound),
        (Code::PermissionDenied, Some("ACCESS_DENIED"), Exit::Denied),
        (Code::Unauthenticated, None, Exit::Denied),
        (Code::Unavailable, Some("DRAINING"), Exit::Unreachable),
        (Code::DeadlineExceeded, None, Exit::Unreachable),
        // The client's own deadline arrives as this.
        (Code::Cancelled, None, Exit::Unreachable),
        (Code::InvalidArgument, Some("INVALID_ARGUMENT"), Exit::Usage),
        (Code::InvalidArgument, Some("MESSAGE_TOO_LARGE"), Exit::Failed),
        (Code::ResourceExhausted, Some("STORAGE_FULL"), Exit::Failed),
        (Code::AlreadyExists, Some("QUEUE_EXISTS_DIFFERENTLY"), Exit::Failed),
        (Code::Internal, Some("INTERNAL"), Exit::Failed),
    ];
    for (code, reason, exit) in table {
        assert_eq!(failure(code, reason).exit, exit, "{code:?} {reason:?}");
    }
}

#[test]
fn a_failure_shows_reason_text_and_what_to_do() {
    let mut details = ErrorDetails::new();
    details
        .set_error_info("PURGE_IN_PROGRESS", "forebay", std::collections::HashMap::<String, String>::new())
        .set_retry_info(Some(Duration::from_secs(42)))
        .add_bad_request_violation("queue", "is busy");
    let failure = Failure::from(Status::with_error_details(Code::FailedPrecondition, "purged just now", details));
    assert_eq!(
        failure.to_string(),
        "error: PURGE_IN_PROGRESS: purged just now\n\
         hint: queue: is busy\n\
         hint: try again in 42s\n\
         hint: forebay errors explain PURGE_IN_PROGRESS"
    );
}

#[test]
fn a_reason_that_this_version_does_not_know_is_shown_without_a_hint() {
    assert_eq!(failure(Code::Internal, Some("NEW_IN_V2")).to_string(), "error: NEW_IN_V2: it did not work");
}

#[test]
fn a_batch_is_partly_done_when_some_entries_failed() {
    let error = EntryError { code: Code::NotFound as i32, reason: "LEASE_EXPIRED".into(), ..EntryError::default() };
    let mut all = Entries::default();
    all.done(2);
    assert_eq!(all.finish("leases"), Ok(()));
    let mut some = Entries::default();
    some.done(2);
    some.failed_silently(&error);
    let failure = some.finish("leases").expect_err("one failed");
    assert_eq!((failure.exit, failure.text.as_str()), (Exit::Partly, "1 of 3 leases failed"));
    let mut none = Entries::default();
    none.failed_silently(&error);
    assert_eq!(none.finish("leases").expect_err("it failed").exit, Exit::NotFound);
}

#[test]
fn a_server_is_named_with_or_without_http() {
    for good in ["http://127.0.0.1:9400", "127.0.0.1:9400", "http://[::1]:9400"] {
        assert!(endpoint(good, &TlsArgs::default()).is_ok(), "{good}");
    }
    assert_eq!(endpoint("not an address", &TlsArgs::default()).expect_err("spaces").exit, Exit::Usage);
}

#[test]
fn a_connection_that_breaks_is_unreachable_and_the_server_is_named() {
    let reset = std::io::Error::new(std::io::ErrorKind::ConnectionReset, "reset by peer");
    for code in [Code::Unknown, Code::Unavailable, Code::Internal] {
        let mut status = Status::new(code, "transport error");
        status.set_source(std::sync::Arc::new(std::io::Error::from(reset.kind())));
        let failure = block_on::<()>("http://10.0.0.1:9400", async { Err(status.into()) }).expect_err("it broke");
        assert_eq!(failure.exit, Exit::Unreachable, "{code:?}");
        let text = failure.to_string();
        assert!(text.starts_with("error: the connection to http://10.0.0.1:9400 broke: connection reset"), "{text}");
        assert!(text.contains("hint: what the call did is not known"), "{text}");
    }
    // What the server itself says is no broken connection.
    let said = block_on::<()>("http://10.0.0.1:9400", async {
        Err(Status::with_error_details(Code::Unavailable, "drains", {
            let mut details = ErrorDetails::new();
            details.set_error_info("DRAINING", "forebay", std::collections::HashMap::<String, String>::new());
            details
        })
        .into())
    });
    assert!(said.expect_err("it drains").to_string().starts_with("error: DRAINING: drains"));
}

#[test]
fn who_is_not_known_is_told_how_to_name_a_key() {
    let failure = failure(Code::Unauthenticated, Some("UNAUTHENTICATED"));
    assert_eq!(failure.exit, Exit::Denied);
    assert!(failure.hints.iter().any(|hint| hint.contains("FOREBAY_ACCESS_KEY_ID")), "{failure}");
}
