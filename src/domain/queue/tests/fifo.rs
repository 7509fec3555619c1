//! FIFO queues: order, locks, deduplication, attempts.

use super::script::run;

#[test]
fn a_group_is_locked_while_a_message_of_it_is_in_flight() {
    run("
        queue fifo
        t=0  send a1 group=A dedup=1
        t=0  send a2 group=A dedup=2
        t=0  send b1 group=B dedup=3
        t=0  receive         -> a1 (count 1)
        t=0  receive max=10  -> b1 (count 1)
        t=1  delete a1
        t=1  receive max=10  -> a2 (count 1)
    ");
}
