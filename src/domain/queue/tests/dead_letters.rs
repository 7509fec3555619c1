//! Messages that leave for another queue, and those that come: dead letters and redrives.

use super::script::run;

#[test]
fn a_message_received_too_often_moves_instead_of_being_received() {
    run("
        queue max_receives=2 visibility=30
        t=0   send m1
        t=0   send m2
        t=0   receive                 -> m1 (count 1)
        t=30  receive                 -> m1 (count 2)
        t=60  receive                 -> m1 to 99, m2 (count 1)
        t=60  stats                   -> visible 0 in-flight 1 delayed 0 bytes 10 oldest 0
    ");
}

#[test]
fn without_a_dead_letter_queue_it_is_received_again() {
    run("
        queue max_receives=1 visibility=30
        t=0   send m1
        t=0   receive keep            -> m1 (count 1)
        t=30  receive keep            -> m1 (count 2)
        t=60  receive                 -> m1 to 99
    ");
}

#[test]
fn a_group_goes_on_behind_a_dead_letter() {
    run("
        queue fifo max_receives=1
        t=0   send a1 group=A dedup=1
        t=0   send a2 group=A dedup=2
        t=0   receive                 -> a1 (count 1)
        t=1   nack a1                 -> a1
        t=1   receive max=10          -> a1 to 99, a2 (count 1)
    ");
}

#[test]
fn an_accepted_message_keeps_count_and_send_time_on_a_standard_queue() {
    run("
        queue retention=60 delay=10
        t=50  accept m1 number=1 sent=0 count=3 source=5
        t=50  stats                   -> visible 1 in-flight 0 delayed 0 bytes 10 oldest 0
        t=50  receive                 -> m1 (count 4)
        t=59  expire                  -> nothing
        t=60  expire                  -> m1
    ");
}

#[test]
fn an_accepted_message_starts_its_retention_anew_on_a_fifo_queue() {
    run("
        queue fifo retention=60
        t=50   accept m1 number=1 sent=0 count=3 source=5 group=A
        t=60   expire                 -> nothing
        t=109  expire                 -> nothing
        t=110  expire                 -> m1
    ");
}

#[test]
fn a_transfer_is_accepted_once_per_source() {
    run("
        queue
        t=0   accept m1 from=1 number=4
        t=0   accept m1 from=1 number=4    -> repeated
        t=0   accept m0 from=1 number=3    -> repeated
        t=0   accept n1 from=2 number=3
        t=0   receive max=10               -> m1 (count 1), n1 (count 1)
        t=0   delete m1
        t=9   purge
        t=9   accept m1 from=1 number=4    -> repeated
        t=9   accept m2 from=1 number=9
    ");
}

#[test]
fn a_redrive_takes_each_message_back_to_where_it_came_from() {
    run("
        queue
        t=0   accept m1 number=1 source=5
        t=0   accept m2 number=2 source=6
        t=0   redrive start        -> 2 to move
        t=0   deadline             -> 0
        t=0   redrive step         -> m1 to 5, m2 to 6, completed
        t=0   redrive step         -> nothing
        t=0   redrive list         -> 1 completed 2/2
        t=0   deadline             -> none
    ");
}

#[test]
fn a_redrive_to_one_queue_takes_messages_of_any_origin() {
    run("
        queue
        t=0   accept m1 number=1 source=5
        t=0   send m2
        t=0   redrive start to=8   -> 2 to move
        t=0   redrive step         -> m1 to 8, m2 to 8, completed
    ");
}

#[test]
fn a_redrive_of_a_message_without_an_origin_fails() {
    run("
        queue
        t=0   accept m1 number=1 source=5
        t=0   send m2
        t=0   redrive start        -> 2 to move
        t=0   redrive step         -> m1 to 5, failed: message 2 came from no other queue and no destination is given
        t=0   redrive list         -> 1 failed 1/2
        t=0   browse               -> m2 visible
    ");
}

#[test]
fn a_redrive_to_a_queue_that_is_gone_fails() {
    run("
        queue
        t=0   accept m1 number=1 source=5
        t=0   redrive start        -> 1 to move
        t=0   redrive step gone=5  -> failed: queue 5 does not exist any more
        t=0   browse               -> m1 visible
    ");
}

#[test]
fn a_redrive_moves_no_faster_than_told() {
    run("
        queue
        t=0    send m1
        t=0    send m2
        t=0    send m3
        t=0    redrive start to=8 rate=2   -> 3 to move
        t=0    deadline                    -> 0.5
        t=0    redrive step                -> nothing
        t=0.4  redrive step                -> nothing
        t=0.5  redrive step                -> m1 to 8
        t=0.5  deadline                    -> 1
        t=0.9  redrive step                -> nothing
        t=2    redrive step budget=1       -> m2 to 8
        t=2    redrive list                -> 1 running 2/3
        t=2    redrive step                -> m3 to 8, completed
    ");
}

#[test]
fn a_redrive_leaves_what_is_in_flight_delayed_or_came_later() {
    run("
        queue
        t=0    send m1
        t=0    send m2
        t=0    send m3 delay=10
        t=0    receive                     -> m1 (count 1)
        t=0    redrive start to=8          -> 1 to move
        t=0    send m4
        t=0    redrive step                -> m2 to 8, completed
        t=0    browse                      -> m1 in-flight until 30, m3 delayed until 10, m4 visible
    ");
}

#[test]
fn a_redrive_of_a_fifo_queue_keeps_the_order_of_its_groups() {
    run("
        queue fifo
        t=0    accept a1 number=1 group=A source=5
        t=0    accept b1 number=2 group=B source=5
        t=0    accept a2 number=3 group=A source=5
        t=0    accept b2 number=4 group=B source=5
        t=0    receive                     -> a1 (count 1)
        t=0    redrive start               -> 3 to move
        t=0    redrive step                -> b1 to 5, b2 to 5, completed
        t=0    browse                      -> a1 in-flight until 30, a2 visible
    ");
}

#[test]
fn one_redrive_runs_at_a_time_and_can_be_cancelled() {
    run("
        queue
        t=0    send m1
        t=0    send m2
        t=0    redrive cancel id=1             -> error: the queue has no redrive it
        t=0    redrive start id=1 to=8 rate=1  -> 2 to move
        t=1    redrive step                    -> m1 to 8
        t=1    redrive start id=1 to=8         -> error: redrive it of this queue is running
        t=1    redrive cancel id=1             -> cancelled
        t=1    redrive cancel id=1             -> error: redrive it has ended
        t=9    redrive step                    -> nothing
        t=9    redrive start id=2 to=8         -> 1 to move
        t=9    redrive list                    -> 2 running 0/1, 1 cancelled 1/2
        t=9    redrive step                    -> m2 to 8, completed
    ");
}

#[test]
fn the_last_ten_redrives_are_remembered() {
    let starts: String = (1..=12)
        .map(|i| format!("t={i} redrive start id={i} -> 0 to move\nt={i} redrive step -> completed\n"))
        .collect();
    let listed: Vec<_> = (3..=12).rev().map(|i| format!("{i} completed 0/0")).collect();
    run(&format!("queue\n{starts}\nt=20 redrive list -> {}", listed.join(", ")));
}
