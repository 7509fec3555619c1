//! Standard queues: leases, settlements, delays, retention, limits.

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
fn a_receive_with_no_visibility_timeout_leaves_the_message_visible_but_counts() {
    run("
        queue
        t=0  send m1
        t=0  receive visibility=0  -> m1 (count 1)
        t=0  ready                 -> yes
        t=0  stats                 -> visible 1 in-flight 0 delayed 0 bytes 10 oldest 0
        t=0  receive visibility=0  -> m1 (count 2)
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
