//! Fair queues: on a standard queue a group id names a tenant.

use super::script::run;

/// `count` sends of one tenant: `n0`, `n1`, and so on.
fn sends(at: u64, name: &str, tenant: &str, count: usize) -> String {
    (0..count).map(|i| format!("t={at} send {name}{i} group={tenant}\n")).collect()
}

fn received(name: &str, range: std::ops::Range<usize>) -> String {
    range.map(|i| format!("{name}{i} (count 1)")).collect::<Vec<_>>().join(", ")
}

#[test]
fn a_quiet_tenant_is_served_before_a_noisy_one() {
    let flood = sends(0, "n", "noisy", 60);
    let first = received("n", 0..30);
    run(&format!(
        "
        queue
        {flood}
        t=0  receive max=30           -> {first}
        t=1  send q1 group=quiet
        t=1  send q2 group=quiet
        t=1  send q3
        t=1  receive max=4            -> q1 (count 1), q2 (count 1), q3 (count 1), n30 (count 1)
    "
    ));
}

#[test]
fn below_thirty_in_flight_nobody_is_noisy() {
    let flood = sends(0, "n", "noisy", 60);
    let first = received("n", 0..29);
    run(&format!(
        "
        queue
        {flood}
        t=0  receive max=29           -> {first}
        t=1  send q1 group=quiet
        t=1  receive max=2            -> n29 (count 1), q1 (count 1)
    "
    ));
}

#[test]
fn a_tenth_of_all_in_flight_is_not_noisy() {
    let others: String = (0..30).map(|t| sends(0, &format!("o{t}-"), &format!("t{t}"), 9)).collect();
    let taken: Vec<_> = (0..30).map(|t| received(&format!("o{t}-"), 0..9)).collect();
    let (taken, flood, first) = (taken.join(", "), sends(0, "n", "noisy", 40), received("n", 0..30));
    run(&format!(
        "
        queue
        {others}
        t=0  receive max=270          -> {taken}
        {flood}
        t=1  receive max=30           -> {first}
        t=1  send q1 group=quiet
        t=1  receive                  -> n30 (count 1)
        t=1  receive                  -> q1 (count 1)
        t=1  receive                  -> n31 (count 1)
    "
    ));
}

#[test]
fn among_noisy_tenants_the_one_with_the_fewest_in_flight_goes_first() {
    let (a, b) = (sends(0, "a", "A", 60), sends(0, "b", "B", 60));
    let (first_a, first_b) = (received("a", 0..40), received("b", 0..35));
    run(&format!(
        "
        queue
        {a}
        t=0  receive max=40           -> {first_a}
        {b}
        t=0  receive max=35           -> {first_b}
        t=0  receive max=4            -> b35 (count 1), b36 (count 1), b37 (count 1), b38 (count 1)
        t=0  receive max=3            -> b39 (count 1), a40 (count 1), b40 (count 1)
    "
    ));
}

#[test]
fn tenants_are_equal_again_when_their_leases_are_gone() {
    let flood = sends(0, "n", "noisy", 40);
    let first = received("n", 0..30);
    run(&format!(
        "
        queue visibility=30
        {flood}
        t=0   receive max=30          -> {first}
        t=1   send q1 group=quiet
        t=30  receive max=2           -> n0 (count 2), n1 (count 2)
    "
    ));
}
