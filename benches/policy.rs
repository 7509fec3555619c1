//! What it costs to ask whether a call may: without policies, with a usual one, with the largest a queue may have.
//!
//! `cargo bench --bench policy`. Read them beside a message's own cost (`--bench queue`).

use criterion::{Criterion, criterion_group, criterion_main};
use forebay::{
    base::time::Timestamp,
    domain::policy::{
        action::Action,
        decide::decide,
        document::Policy,
        request::{Arn, Context, Principal, Request},
        statement::Owner,
    },
};
use std::hint::black_box;

fn request(arn: &'static str) -> Request<'static> {
    Request {
        action: Action::Send,
        resource: Arn::parse("arn:aws:sqs:us-east-1:111111111111:orders").expect("an arn"),
        principal: Principal { account: Arn::parse(arn).expect("an arn").account, arn, id: arn },
        context: Context {
            now: Timestamp(1_795_485_600_000),
            source_ip: Some("203.0.113.9".parse().expect("an address")),
            secure: true,
            ..Context::default()
        },
    }
}

fn identity(resource: &str) -> Policy {
    let text = format!(
        r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow","Action":"sqs:*","Resource":"{resource}"}}]}}"#
    );
    Policy::parse(&text, Owner::Identity).expect("a policy")
}

/// As many statements as a queue's policy may have; half of them with a condition, the last one decides.
fn largest() -> Policy {
    let statement = |number: usize| {
        let condition = match number % 2 {
            0 => r#","Condition":{"IpAddress":{"aws:SourceIp":["10.0.0.0/8","203.0.113.0/24"]}}"#,
            _ => "",
        };
        let account = if number == 19 { "222222222222".to_owned() } else { format!("{number:012}") };
        format!(
            r#"{{"Effect":"Allow","Principal":{{"AWS":"{account}"}},"Action":"sqs:SendMessage","Resource":"arn:aws:sqs:*:*:ord*"{condition}}}"#
        )
    };
    let statements: Vec<_> = (0..20).map(statement).collect();
    Policy::parse(&format!(r#"{{"Statement":[{}]}}"#, statements.join(",")), Owner::Queue).expect("a policy")
}

fn decisions(criterion: &mut Criterion) {
    let own = request("arn:aws:iam::111111111111:user/ann");
    let other = request("arn:aws:iam::222222222222:user/bob");
    let mut group = criterion.benchmark_group("policy");
    let none: [Policy; 0] = [];
    group.bench_function("none", |bench| bench.iter(|| decide(black_box(&own), &none, None).is_allowed()));
    let named = [identity("arn:aws:sqs:us-east-1:111111111111:orders")];
    group.bench_function("of_the_key", |bench| bench.iter(|| decide(black_box(&own), &named, None).is_allowed()));
    let filled = [identity("arn:aws:sqs:*:*:${aws:username}-*")];
    group.bench_function("with_a_variable", |bench| bench.iter(|| decide(black_box(&own), &filled, None).is_allowed()));
    let queue = largest();
    group.bench_function("of_another_account_largest", |bench| {
        bench.iter(|| decide(black_box(&other), &none, Some(&queue)).is_allowed())
    });
    group.bench_function("compile_largest", |bench| {
        bench.iter(|| Policy::parse(black_box(queue.text()), Owner::Queue).is_ok())
    });
    group.finish();
}

criterion_group!(benches, decisions);
criterion_main!(benches);
