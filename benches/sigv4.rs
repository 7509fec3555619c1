//! What it costs to verify a signed `SendMessage`, with the signing key at hand and without.
//!
//! `cargo bench --bench sigv4`. The body's hash is part of it: an AWS SDK does not send the hash to SQS.

use aws_credential_types::Credentials;
use aws_sigv4::{
    http_request::{SignableBody, SignableRequest, SigningSettings, sign},
    sign::v4::SigningParams,
};
use criterion::{Criterion, criterion_group, criterion_main};
use forebay::{
    base::time::Timestamp,
    protocol::aws::sigv4::{Claim, Head, Verifier},
};
use http::{HeaderMap, HeaderName, HeaderValue};
use std::{
    hint::black_box,
    time::{Duration, SystemTime},
};

const NOW: Timestamp = Timestamp(1_764_000_000_000);
const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
/// What an SDK sends with every call.
const HEADERS: [(&str, &str); 6] = [
    ("host", "127.0.0.1:9400"),
    ("x-amz-target", "AmazonSQS.SendMessage"),
    ("content-type", "application/x-amz-json-1.0"),
    ("x-amzn-query-mode", "true"),
    ("amz-sdk-invocation-id", "0f8e9a3c-3c7e-4b07-9d5e-5f5c7d2b1a90"),
    ("amz-sdk-request", "attempt=1; max=3"),
];

fn signed_headers(body: &[u8]) -> HeaderMap {
    let identity = Credentials::new("AKIDEXAMPLE", SECRET, None, None, "bench").into();
    let params = SigningParams::builder()
        .identity(&identity)
        .region("us-east-1")
        .name("sqs")
        .time(SystemTime::UNIX_EPOCH + Duration::from_millis(NOW.as_millis()))
        .settings(SigningSettings::default())
        .build()
        .expect("complete");
    let request =
        SignableRequest::new("POST", "http://127.0.0.1:9400/", HEADERS.into_iter(), SignableBody::Bytes(body));
    let signed = sign(request.expect("sound"), &params.into()).expect("signed");
    let (instructions, _) = signed.into_parts();
    let (added, _) = instructions.into_parts();
    let added = added.iter().map(|header| (header.name(), header.value()));
    let header = |(name, value)| {
        let value = HeaderValue::from_str(value).expect("text");
        (HeaderName::from_bytes(str::as_bytes(name)).expect("a name"), value)
    };
    HEADERS.into_iter().chain(added).map(header).collect()
}

fn benches(criterion: &mut Criterion) {
    for (size, name) in [(1024, "1 KiB"), (256 * 1024, "256 KiB")] {
        let body = vec![b'x'; size];
        let headers = signed_headers(&body);
        let head = Head { method: "POST", path: "/", query: "", authority: None, headers: &headers };
        let verify = |verifier: &Verifier| {
            let claim = Claim::parse(black_box(&head)).expect("sound").expect("signed");
            verifier.verify(&claim, &head, &body, SECRET, NOW).expect("the right signature");
        };
        let warm = Verifier::default();
        verify(&warm);
        criterion.bench_function(&format!("verify {name}, warm key"), |bencher| bencher.iter(|| verify(&warm)));
        criterion.bench_function(&format!("verify {name}, cold key"), |bencher| {
            bencher.iter_batched_ref(Verifier::default, |cold| verify(cold), criterion::BatchSize::SmallInput);
        });
    }
}

criterion_group!(sigv4, benches);
criterion_main!(sigv4);
