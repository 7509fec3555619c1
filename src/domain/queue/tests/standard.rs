//! Standard queues: leases, settlements, delays, limits.

use super::script::run;

#[test]
fn a_message_not_deleted_in_time_is_received_again() {
    run("
        queue visibility=30
        t=0   send m1
        t=0   receive visibility=30   -> m1 (count 1)
        t=29  receive                 -> nothing
        t=30  receive                 -> m1 (count 2)
    ");
}

#[test]
fn messages_come_oldest_first_up_to_max() {
    run("
        queue
        t=0  send m1
        t=0  send m2
        t=0  send m3
        t=0  receive max=2   -> m1 (count 1), m2 (count 1)
        t=0  receive max=2   -> m3 (count 1)
        t=0  receive max=2   -> nothing
    ");
}

#[test]
fn a_receive_takes_no_more_bytes_than_asked_but_for_one_large_message() {
    run("
        queue
        t=0  send m1 size=600
        t=0  send m2 size=600
        t=0  send m3 size=300
        t=0  receive max=10 bytes=500    -> m1 (count 1)
        t=0  receive max=10 bytes=900    -> m2 (count 1), m3 (count 1)
    ");
}

#[test]
fn a_receive_with_no_visibility_timeout_leaves_the_message_visible_but_counts() {
    run("
        queue
        t=0  send m1
        t=0  receive visibility=0  -> m1 (count 1)
        t=0  ready                 -> yes
        t=0  stats                 -> visible 1 in-flight 0 delayed 0 bytes 10 oldest 0
        t=0  receive visibility=0  -> m1 (count 2)
        t=0  delete m1
        t=0  ready                 -> no
    ");
}

#[test]
fn a_visibility_timeout_is_twelve_hours_at_most() {
    run("
        queue
        t=0  send m1
        t=0  receive visibility=43201     -> error: a visibility timeout of 43201 s is longer than 43200 s
        t=0  receive visibility=43200     -> m1 (count 1)
        t=0  visibility m1 timeout=43201  -> error: a visibility timeout of 43201 s is longer than 43200 s
        t=43199 receive                   -> nothing
        t=43200 receive                   -> m1 (count 2)
    ");
}

#[test]
fn a_lease_lasts_twelve_hours_since_its_receive_at_most() {
    run("
        queue
        t=0     send m1
        t=0     receive                       -> m1 (count 1)
        t=10    visibility m1 timeout=43200   -> error: with 43200 s more the lease would pass 43200 s since the receive; 43190 s are left
        t=10    visibility m1 timeout=43190   -> m1
        t=20    visibility m1 timeout=43180   -> m1
        t=43200 receive                       -> m1 (count 2)
        t=43201 visibility m1 timeout=43199   -> m1
    ");
}

#[test]
fn a_change_of_visibility_counts_from_now_and_does_not_last() {
    run("
        queue visibility=30
        t=0    send m1
        t=0    receive                     -> m1 (count 1)
        t=20   visibility m1 timeout=100   -> m1
        t=119  receive                     -> nothing
        t=120  receive                     -> m1 (count 2)
        t=149  receive                     -> nothing
        t=150  receive                     -> m1 (count 3)
        t=160  visibility m1 timeout=5     -> m1
        t=164  receive                     -> nothing
        t=165  receive                     -> m1 (count 4)
    ");
}

#[test]
fn a_change_of_visibility_to_zero_makes_the_message_visible_at_once() {
    run("
        queue
        t=0  send m1
        t=0  receive                    -> m1 (count 1)
        t=5  visibility m1 timeout=0    -> m1
        t=5  ready                      -> yes
        t=5  receive                    -> m1 (count 2)
        t=6  visibility m1#1 timeout=0  -> error: the lease has ended, or the message was received again
    ");
}

#[test]
fn a_lease_that_timed_out_hides_the_message_again_until_somebody_else_has_it() {
    run("
        queue visibility=30
        t=0   send m1
        t=0   receive                      -> m1 (count 1)
        t=40  visibility m1 timeout=10     -> m1
        t=49  receive                      -> nothing
        t=50  receive                      -> m1 (count 2)
        t=51  visibility m1#1 timeout=10   -> error: the lease has ended, or the message was received again
    ");
}

#[test]
fn the_visibility_of_a_message_that_is_gone_cannot_change() {
    run("
        queue
        t=0  send m1
        t=0  receive                    -> m1 (count 1)
        t=1  delete m1
        t=2  visibility m1 timeout=10   -> error: the message does not exist any more
        t=2  nack m1                    -> error: the message does not exist any more
        t=2  dead-letter m1             -> error: the message does not exist any more
    ");
}

#[test]
fn a_deleted_message_is_gone_and_deleting_it_again_is_fine() {
    run("
        queue
        t=0  send m1
        t=0  receive    -> m1 (count 1)
        t=1  delete m1
        t=1  delete m1  -> nothing to do
        t=99 receive    -> nothing
        t=99 stats      -> visible 0 in-flight 0 delayed 0 bytes 0
    ");
}

#[test]
fn a_delete_after_the_timeout_works_while_nobody_received_the_message_again() {
    run("
        queue visibility=30
        t=0   send m1
        t=0   receive    -> m1 (count 1)
        t=60  delete m1
        t=60  receive    -> nothing
    ");
}

#[test]
fn an_old_lease_never_deletes_a_message_that_was_received_again() {
    run("
        queue visibility=30
        t=0   send m1
        t=0   receive                      -> m1 (count 1)
        t=30  receive                      -> m1 (count 2)
        t=31  delete m1#1                  -> nothing to do
        t=32  visibility m1 timeout=0      -> m1
        t=33  delete m1#1                  -> nothing to do
        t=33  browse                       -> m1 visible
        t=34  receive                      -> m1 (count 3)
        t=34  delete m1
        t=34  browse                       -> nothing
    ");
}

#[test]
fn a_message_never_received_has_no_lease_to_settle_it() {
    run("
        queue
        t=0  send m1
        t=1  delete m1                  -> nothing to do
        t=1  visibility m1 timeout=10   -> error: the lease has ended, or the message was received again
        t=1  nack m1                    -> error: the lease has ended, or the message was received again
        t=1  browse                     -> m1 visible
    ");
}

#[test]
fn a_lease_whose_receive_a_crash_took_back_still_settles() {
    run("
        queue
        t=0  send m1
        t=0  send m2
        t=0  send m3
        t=1  visibility m1#lost timeout=10   -> m1
        t=1  browse in-flight                -> m1 in-flight until 11
        t=1  delete m2#lost
        t=1  nack m3#lost delay=5            -> m3
        t=1  browse delayed                  -> m3 delayed until 6
    ");
}

#[test]
fn a_nack_gives_the_message_back_now_or_later() {
    run("
        queue
        t=0   send m1
        t=0   receive              -> m1 (count 1)
        t=1   nack m1              -> m1
        t=1   receive              -> m1 (count 2)
        t=2   nack m1 delay=10     -> m1
        t=2   browse               -> m1 delayed until 12
        t=11  receive              -> nothing
        t=12  receive              -> m1 (count 3)
        t=12  nack m1 delay=43201  -> error: a visibility timeout of 43201 s is longer than 43200 s
    ");
}

#[test]
fn a_nack_can_take_its_receive_off_the_count_once() {
    run("
        queue
        t=0   send m1
        t=0   receive              -> m1 (count 1)
        t=1   nack m1 keep         -> m1
        t=1   nack m1 keep         -> error: the lease has ended, or the message was received again
        t=1   receive              -> m1 (count 1)
        t=2   nack m1              -> m1
        t=2   receive              -> m1 (count 2)
    ");
}

#[test]
fn an_explicit_dead_letter_leaves_with_its_reason() {
    run("
        queue
        t=0   send m1
        t=0   receive                        -> m1 (count 1)
        t=1   dead-letter m1 reason=broken   -> m1 to 99 for broken
        t=1   browse                         -> nothing
    ");
}

#[test]
fn delayed_messages_become_visible_in_time() {
    run("
        queue delay=10
        t=0    send m1
        t=0    send m2 delay=0
        t=0    send m3 delay=900
        t=0    stats              -> visible 1 in-flight 0 delayed 2 bytes 30 oldest 0
        t=0    receive max=10     -> m2 (count 1)
        t=0    delete m2
        t=9    receive max=10     -> nothing
        t=9    deadline           -> 10
        t=10   receive max=10     -> m1 (count 1)
        t=10   delete m1
        t=899  ready              -> no
        t=900  ready              -> yes
    ");
}

#[test]
fn a_change_of_the_delay_concerns_only_messages_sent_afterwards() {
    run("
        queue delay=10
        t=0    send m1
        t=0    set delay=100
        t=0    send m2
        t=0    browse           -> m1 delayed until 10, m2 delayed until 100
    ");
}

#[test]
fn a_delay_may_be_a_year_and_the_retention_starts_after_it() {
    run("
        queue retention=60
        t=0         send m1 delay=31536001   -> error: a delay of 31536001 s is longer than 31536000 s
        t=0         send m1 delay=31536000
        t=61        expire                   -> nothing
        t=31535999  browse                   -> m1 delayed until 31536000
        t=31536000  receive visibility=0     -> m1 (count 1)
        t=31536059  expire                   -> nothing
        t=31536060  expire                   -> m1
    ");
}

#[test]
fn a_message_larger_than_the_queue_takes_is_refused() {
    run("
        queue bytes=1024
        t=0  send m1 size=1025  -> error: the message has 1025 bytes; the queue takes up to 1024
        t=0  send m2 size=1024
    ");
}

#[test]
fn what_needs_a_fifo_queue_is_refused() {
    run("
        queue
        t=0  send m1 dedup=x  -> error: a deduplication id needs a FIFO queue
    ");
}

#[test]
fn the_in_flight_limit_is_an_error_only_when_it_keeps_messages_back() {
    run("
        queue in_flight=2
        t=0  receive max=10                -> nothing
        t=0  send m1
        t=0  send m2
        t=0  receive max=10                -> m1 (count 1), m2 (count 1)
        t=0  receive max=10                -> nothing
        t=0  send m3
        t=0  ready                         -> no
        t=0  receive max=10                -> error: the queue has 2 messages in flight, as many as it may
        t=0  receive max=10 visibility=0   -> m3 (count 1)
        t=0  delete m1
        t=0  ready                         -> yes
        t=0  receive max=10                -> m3 (count 2)
    ");
}

#[test]
fn a_producer_stores_a_sequence_once() {
    run("
        queue
        t=0  producer p               -> 0
        t=0  send m0 producer=p:0     -> error: a producer's sequences start at 1
        t=0  send m1 producer=p:1
        t=0  send m2 producer=p:2
        t=0  send m2 producer=p:2     -> repeated
        t=0  send m1 producer=p:1     -> repeated
        t=0  send n1 producer=other:1
        t=0  producer p               -> 2
        t=0  send m5 producer=p:5
        t=0  producer p               -> 5
        t=0  stats                    -> visible 4 in-flight 0 delayed 0 bytes 40 oldest 0
    ");
}

#[test]
fn a_browse_shows_states_and_groups_page_by_page_and_leases_nothing() {
    run("
        queue
        t=0  send m1 group=A
        t=0  send m2
        t=0  send m3 group=A delay=50
        t=0  receive                    -> m1 (count 1)
        t=0  browse                     -> m1 in-flight until 30, m2 visible, m3 delayed until 50
        t=0  browse visible delayed     -> m2 visible, m3 delayed until 50
        t=0  browse group=A             -> m1 in-flight until 30, m3 delayed until 50
        t=0  browse group=B             -> nothing
        t=0  browse limit=2             -> m1 in-flight until 30, m2 visible, next 3
        t=0  browse from=3              -> m3 delayed until 50
        t=0  receive                    -> m2 (count 1)
    ");
}
