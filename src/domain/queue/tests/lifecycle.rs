//! How messages end without a consumer: retention and purge. And what wakes a queue.

use super::script::run;

#[test]
fn messages_expire_wherever_they_are() {
    run("
        queue retention=60 visibility=100
        t=0    send m1
        t=0    send m2
        t=0    send m3 delay=900
        t=30   send m4
        t=30   receive          -> m1 (count 1)
        t=30   deadline         -> 60
        t=59   expire           -> nothing
        t=60   receive max=10   -> m4 (count 1)
        t=60   delete m1        -> nothing to do
        t=60   visibility m1    -> error: the message does not exist any more
        t=60   browse           -> m4 in-flight until 160
        t=60   expire           -> m1, m2, m3
        t=60   stats            -> visible 0 in-flight 1 delayed 0 bytes 10 oldest 30
        t=60   deadline         -> 90
        t=90   expire           -> m4
        t=90   deadline         -> none
    ");
}

#[test]
fn a_group_goes_on_when_its_expired_head_is_gone() {
    run("
        queue fifo retention=60 visibility=100
        t=0    send a1 group=A dedup=1
        t=30   send a2 group=A dedup=2
        t=30   receive          -> a1 (count 1)
        t=60   expire           -> a1
        t=60   receive          -> a2 (count 1)
    ");
}

#[test]
fn a_shorter_retention_deletes_what_is_now_too_old() {
    run("
        queue retention=600
        t=0    send m1
        t=50   send m2
        t=100  expire               -> nothing
        t=100  set retention=60
        t=100  deadline             -> 60
        t=100  expire               -> m1
        t=100  set retention=600
        t=650  expire               -> m2
    ");
}

#[test]
fn deletes_leave_no_deadline_behind() {
    run("
        queue retention=60
        t=0    send m1
        t=10   send m2
        t=10   receive              -> m1 (count 1)
        t=10   delete m1
        t=60   deadline             -> 70
        t=60   expire               -> nothing
        t=70   expire               -> m2
    ");
}

#[test]
fn a_purge_takes_everything_and_is_refused_for_a_minute() {
    run("
        queue
        t=0    send m1
        t=0    send m2 delay=100
        t=0    send m3 group=A
        t=0    receive              -> m1 (count 1)
        t=1    purge
        t=1    stats                -> visible 0 in-flight 0 delayed 0 bytes 0
        t=1    deadline             -> none
        t=1    delete m1            -> nothing to do
        t=2    send m4 group=A
        t=31   purge                -> error: the queue was purged less than 60 s ago; try again in 30 s
        t=60.5 purge                -> error: the queue was purged less than 60 s ago; try again in 1 s
        t=61   receive              -> m4 (count 1)
        t=61   purge
        t=61   browse               -> nothing
    ");
}

#[test]
fn leases_and_delays_wake_the_queue_and_nothing_else_does() {
    run("
        queue visibility=30 retention=600
        t=0    deadline             -> none
        t=0    send m1
        t=0    deadline             -> 600
        t=0    send m2 delay=100
        t=0    deadline             -> 100
        t=0    receive              -> m1 (count 1)
        t=0    deadline             -> 30
        t=10   visibility m1 timeout=20.5 -> m1
        t=10   deadline             -> 30.5
        t=10   delete m1
        t=10   deadline             -> 100
        t=100  deadline             -> 600
    ");
}

#[test]
fn what_deduplication_remembers_is_dropped_a_little_late() {
    run("
        queue fifo
        t=0    send a1 group=A dedup=x
        t=0    receive attempt=z    -> a1 (count 1)
        t=0    delete a1
        t=0    deadline             -> 310
        t=310  deadline             -> none
    ");
}
