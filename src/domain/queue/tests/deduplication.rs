//! What a FIFO queue does not store twice.

use super::script::run;

#[test]
fn a_repeat_within_five_minutes_answers_with_the_original() {
    run("
        queue fifo
        t=0     send a1 group=A dedup=x
        t=0     send a2 group=A dedup=x   -> duplicate of a1
        t=0     receive                   -> a1 (count 1)
        t=1     delete a1
        t=299   send a3 group=A dedup=x   -> duplicate of a1
        t=299   receive                   -> nothing
    ");
}

#[test]
fn the_window_runs_from_the_first_send_and_no_repeat_extends_it() {
    run("
        queue fifo
        t=0     send a1 group=A dedup=x
        t=200   send a2 group=A dedup=x   -> duplicate of a1
        t=300   send a3 group=A dedup=x
        t=301   send a4 group=A dedup=x   -> duplicate of a3
        t=599   send a5 group=A dedup=x   -> duplicate of a3
        t=600   send a6 group=A dedup=x
    ");
}

#[test]
fn a_purge_forgets_what_was_sent() {
    run("
        queue fifo
        t=0     send a1 group=A dedup=x
        t=1     purge
        t=2     send a2 group=A dedup=x
        t=3     send a3 group=A dedup=x   -> duplicate of a2
    ");
}

#[test]
fn an_id_counts_across_groups_unless_the_scope_is_the_group() {
    run("
        queue fifo
        t=0     send a1 group=A dedup=x
        t=0     send b1 group=B dedup=x   -> duplicate of a1
    ");
    run("
        queue fifo per-group
        t=0     send a1 group=A dedup=x
        t=0     send b1 group=B dedup=x
        t=0     send a2 group=A dedup=x   -> duplicate of a1
        t=0     send b2 group=B dedup=x   -> duplicate of b1
    ");
}

#[test]
fn the_scope_stays_what_the_queue_was_created_with() {
    run("
        queue fifo
        t=0     send a1 group=A dedup=x
        t=0     set fifo per-group
        t=0     send b1 group=B dedup=x   -> duplicate of a1
    ");
}

#[test]
fn the_body_stands_in_for_an_id_only_where_the_queue_says_so() {
    run("
        queue fifo content
        t=0     send a1 group=A hash=h
        t=0     send a2 group=A hash=h           -> duplicate of a1
        t=0     send a3 group=A hash=h dedup=x
        t=0     send a4 group=A hash=i dedup=x   -> duplicate of a3
        t=0     send a5 group=A                  -> error: the message has no deduplication id, and the queue does not derive one from the body
    ");
    run("
        queue fifo
        t=0     send a1 group=A hash=h           -> error: the message has no deduplication id, and the queue does not derive one from the body
    ");
}

#[test]
fn a_message_out_of_another_queue_is_no_repeat_and_starts_no_window() {
    run("
        queue fifo
        t=0     send a1 group=A dedup=x
        t=1     accept a2 group=A dedup=x number=1
        t=1     accept a3 group=A dedup=y number=2
        t=2     send a4 group=A dedup=y
        t=2     browse                    -> a1 visible, a2 visible, a3 visible, a4 visible
    ");
}
