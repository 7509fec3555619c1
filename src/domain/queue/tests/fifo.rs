//! FIFO queues: order, locks, delays, attempts.

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
        t=0  ready           -> no
        t=0  stats           -> visible 1 in-flight 2 delayed 0 bytes 30 oldest 0 groups 2
        t=1  delete a1
        t=1  ready           -> yes
        t=1  receive max=10  -> a2 (count 1)
    ");
}

#[test]
fn a_receive_takes_what_it_can_of_one_group_before_the_next() {
    run("
        queue fifo
        t=0  send a1 group=A dedup=1
        t=0  send b1 group=B dedup=2
        t=0  send a2 group=A dedup=3
        t=0  send b2 group=B dedup=4
        t=0  receive max=3   -> a1 (count 1), a2 (count 1), b1 (count 1)
        t=0  receive max=3   -> nothing
    ");
}

#[test]
fn messages_that_time_out_come_again_in_order() {
    run("
        queue fifo visibility=30
        t=0   send a1 group=A dedup=1
        t=0   send a2 group=A dedup=2
        t=0   send a3 group=A dedup=3
        t=0   receive max=2   -> a1 (count 1), a2 (count 1)
        t=30  receive max=3   -> a1 (count 2), a2 (count 2), a3 (count 1)
    ");
}

#[test]
fn making_one_message_visible_returns_that_one_only() {
    run("
        queue fifo
        t=0   send a1 group=A dedup=1
        t=0   send a2 group=A dedup=2
        t=0   send a3 group=A dedup=3
        t=0   receive max=2              -> a1 (count 1), a2 (count 1)
        t=5   visibility a1 timeout=0    -> a1
        t=5   receive max=10             -> a1 (count 2)
        t=6   delete a2
        t=6   receive max=10             -> nothing
        t=7   delete a1
        t=7   receive max=10             -> a3 (count 1)
    ");
}

#[test]
fn a_later_message_made_visible_waits_for_the_earlier_one() {
    run("
        queue fifo
        t=0   send a1 group=A dedup=1
        t=0   send a2 group=A dedup=2
        t=0   receive max=2              -> a1 (count 1), a2 (count 1)
        t=5   visibility a2 timeout=0    -> a2
        t=5   receive max=10             -> nothing
        t=6   delete a1
        t=6   receive max=10             -> a2 (count 2)
    ");
}

#[test]
fn extending_one_message_keeps_the_later_ones_blocked() {
    run("
        queue fifo visibility=30
        t=0    send a1 group=A dedup=1
        t=0    send a2 group=A dedup=2
        t=0    send a3 group=A dedup=3
        t=0    receive max=2               -> a1 (count 1), a2 (count 1)
        t=10   visibility a1 timeout=100   -> a1
        t=40   browse                      -> a1 in-flight until 110, a2 visible, a3 visible
        t=40   receive max=10              -> nothing
        t=109  receive max=10              -> nothing
        t=110  receive max=10              -> a1 (count 2), a2 (count 2), a3 (count 1)
    ");
}

#[test]
fn an_expired_lease_settles_nothing() {
    run("
        queue fifo visibility=30
        t=0   send a1 group=A dedup=1
        t=0   receive                     -> a1 (count 1)
        t=30  delete a1                   -> error: the lease has ended, or the message was received again
        t=30  visibility a1 timeout=10    -> error: the lease has ended, or the message was received again
        t=30  nack a1                     -> error: the lease has ended, or the message was received again
        t=30  dead-letter a1              -> error: the lease has ended, or the message was received again
        t=30  receive                     -> a1 (count 2)
        t=31  delete a1#1                 -> error: the lease has ended, or the message was received again
        t=31  delete a1
        t=31  delete a1#1                 -> nothing to do
    ");
}

#[test]
fn a_nack_voids_the_leases_of_the_later_messages_of_its_group() {
    run("
        queue fifo
        t=0   send a1 group=A dedup=1
        t=0   send a2 group=A dedup=2
        t=0   send a3 group=A dedup=3
        t=0   send b1 group=B dedup=4
        t=0   receive max=10        -> a1 (count 1), a2 (count 1), a3 (count 1), b1 (count 1)
        t=1   nack a2               -> a2, a3
        t=1   delete a3             -> error: the lease has ended, or the message was received again
        t=1   receive max=10        -> nothing
        t=2   delete a1
        t=2   receive max=10        -> a2 (count 2), a3 (count 2)
        t=3   delete b1
    ");
}

#[test]
fn a_nack_with_a_delay_holds_its_group_back() {
    run("
        queue fifo
        t=0   send a1 group=A dedup=1
        t=0   send a2 group=A dedup=2
        t=0   receive max=10          -> a1 (count 1), a2 (count 1)
        t=1   nack a1 delay=10 keep   -> a1, a2
        t=10  receive max=10          -> nothing
        t=10  browse                  -> a1 delayed until 11, a2 visible
        t=11  receive max=10          -> a1 (count 1), a2 (count 1)
    ");
}

#[test]
fn a_message_needs_a_group_and_no_delay_of_its_own() {
    run("
        queue fifo
        t=0   send a1 dedup=1                   -> error: a message to a FIFO queue needs a group id
        t=0   send a1 group=A dedup=1 delay=2   -> error: a message to a FIFO queue has no delay of its own; it says 2 s
        t=0   send a1 group=A dedup=1 delay=0
    ");
}

#[test]
fn a_change_of_the_delay_concerns_queued_messages_too() {
    run("
        queue fifo delay=100
        t=0    send a1 group=A dedup=1
        t=10   send b1 group=B dedup=2
        t=50   browse           -> a1 delayed until 100, b1 delayed until 110
        t=50   set delay=60
        t=50   browse           -> a1 delayed until 60, b1 delayed until 70
        t=60   receive max=10   -> a1 (count 1)
        t=65   set delay=900
        t=65   browse           -> a1 in-flight until 90, b1 delayed until 910
        t=65   nack a1          -> a1
        t=66   set delay=0
        t=66   receive max=10   -> a1 (count 2), b1 (count 1)
    ");
}

#[test]
fn a_message_that_becomes_delayed_again_holds_its_group_back() {
    run("
        queue fifo
        t=0    send a1 group=A dedup=1
        t=10   ready            -> yes
        t=10   set delay=60
        t=10   ready            -> no
        t=60   receive          -> a1 (count 1)
    ");
}

#[test]
fn at_the_in_flight_limit_a_receive_gives_nothing() {
    run("
        queue fifo in_flight=1
        t=0  send a1 group=A dedup=1
        t=0  send b1 group=B dedup=2
        t=0  receive max=10   -> a1 (count 1)
        t=0  ready            -> no
        t=0  receive max=10   -> nothing
        t=0  delete a1
        t=0  receive max=10   -> b1 (count 1)
    ");
}

#[test]
fn a_repeated_attempt_returns_the_same_messages_and_hides_them_anew() {
    run("
        queue fifo visibility=30
        t=0   send a1 group=A dedup=1
        t=0   send a2 group=A dedup=2
        t=0   send b1 group=B dedup=3
        t=0   receive max=2 attempt=x    -> a1 (count 1), a2 (count 1)
        t=20  receive max=9 attempt=x    -> a1 (count 1, same lease), a2 (count 1, same lease)
        t=49  browse in-flight           -> a1 in-flight until 50, a2 in-flight until 50
        t=49  receive max=9 attempt=y    -> b1 (count 1)
        t=50  receive max=9 attempt=x    -> a1 (count 2), a2 (count 2)
    ");
}

#[test]
fn an_attempt_of_which_something_was_deleted_is_a_fresh_receive() {
    run("
        queue fifo
        t=0   send a1 group=A dedup=1
        t=0   send b1 group=B dedup=2
        t=0   send c1 group=C dedup=3
        t=0   receive max=2 attempt=x    -> a1 (count 1), b1 (count 1)
        t=1   delete a1
        t=1   receive max=2 attempt=x    -> c1 (count 1)
    ");
}

#[test]
fn an_attempt_of_which_a_visibility_changed_is_a_fresh_receive() {
    run("
        queue fifo
        t=0   send a1 group=A dedup=1
        t=0   send b1 group=B dedup=2
        t=0   receive max=1 attempt=x    -> a1 (count 1)
        t=1   visibility a1 timeout=60   -> a1
        t=1   receive max=2 attempt=x    -> b1 (count 1)
        t=2   receive max=2 attempt=x    -> b1 (count 1, same lease)
    ");
}

#[test]
fn an_attempt_is_forgotten_after_five_minutes() {
    run("
        queue fifo visibility=1000
        t=0     send a1 group=A dedup=1
        t=0     send b1 group=B dedup=2
        t=0     receive attempt=x    -> a1 (count 1)
        t=299   receive attempt=x    -> a1 (count 1, same lease)
        t=300   receive attempt=x    -> b1 (count 1)
    ");
}

#[test]
fn a_repeated_attempt_never_stretches_a_lease_past_twelve_hours() {
    run("
        queue fifo visibility=43200
        t=0     send a1 group=A dedup=1
        t=0     receive attempt=x       -> a1 (count 1)
        t=100   receive attempt=x       -> a1 (count 1, same lease)
        t=200   receive attempt=x       -> a1 (count 1, same lease)
        t=200   browse                  -> a1 in-flight until 43200
    ");
}

#[test]
fn on_a_standard_queue_attempt_ids_mean_nothing() {
    run("
        queue
        t=0     send m1
        t=0     send m2
        t=0     receive attempt=x       -> m1 (count 1)
        t=0     receive attempt=x       -> m2 (count 1)
    ");
}
