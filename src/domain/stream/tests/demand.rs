//! On-demand streams under load.

use super::script::run;

#[test]
fn an_on_demand_stream_is_ready_for_twice_its_peak() {
    run("
        stream on-demand
        t=0   shards             -> 0 1 2 3
        t=0   wanted             -> 4
        t=0   scale              -> nothing
        t=60  measure load=2048
        t=60  measure load=2048  -> nothing
        t=60  wanted             -> 4
        t=60  measure load=2049
        t=60  wanted             -> 5
        t=60  measure load=0:4501
        t=60  wanted             -> 10
        t=60  scale 0=10 1=3000 2=20 3=30  -> 4 5 6 7 8 9 10 11 12 13 14 15 16 17
        t=60  shards at-latest   -> 0 2 3 10<6 11<6 12<7 13<7 14<8 15<8 16<9 17<9
    ");
}

#[test]
fn a_provisioned_stream_does_not_scale() {
    run("
        stream shards=1
        t=0  measure load=9000
        t=0  wanted        -> provisioned
        t=0  scale 0=9000  -> nothing
    ");
}

#[test]
fn a_hot_shard_is_split_though_there_are_enough() {
    run("
        stream on-demand
        t=0  scale 0=512         -> nothing
        t=0  scale 0=513         -> 4 5
        t=0  shards at-latest    -> 1 2 3 4<0 5<0
        t=0  scale 5=9000        -> 6 7 8 9 10 11
        t=0  scale 11=9000       -> nothing
    ");
}

#[test]
fn a_peak_is_forgotten_after_thirty_days_and_shards_are_merged() {
    run("
        stream on-demand
        t=0     measure load=3072
        t=0     scale                -> 4 5 6 7
        t=0     shards at-latest     -> 2 3 4<0 5<0 6<1 7<1
        t=1d    measure load=2560
        t=29.9d  wanted              -> 6
        t=30d   wanted               -> 5
        t=30d   scale 4=400 5=400    -> 8
        t=30d   shards at-latest     -> 2 3 4<0 5<0 8<6+7
        t=31d   wanted               -> 4
        t=30.9d  scale               -> nothing
        t=31d   scale 2=100 3=100 4=100 5=100 8=450  -> 9
        t=31d   shards at-latest     -> 2 3 8<6+7 9<4+5
    ");
}

#[test]
fn shards_are_not_merged_into_one_that_is_too_hot() {
    run("
        stream on-demand warm=6
        t=0    warm 0
        t=2d   scale 0=300 1=300 2=300 3=300 4=300 5=300  -> nothing
        t=2d   scale 0=300 1=300 2=300 3=300 4=200 5=300  -> 6
        t=2d   shards at-latest  -> 0 1 2 5 6<3+4
    ");
}

#[test]
fn warm_throughput_keeps_shards_ready() {
    run("
        stream on-demand warm=3
        t=0  shards    -> 0 1 2 3
        t=0  warm 6
        t=0  scale     -> 4 5 6 7
        t=9d scale     -> nothing
        t=9d warm 0
        t=9d scale     -> 8 9
    ");
}

#[test]
fn nothing_scales_while_the_stream_is_being_updated() {
    run("
        stream on-demand settle=5
        t=5  measure load=3072
        t=4  scale     -> nothing
        t=5  scale     -> 4 5 6 7
        t=9  scale 7=9000  -> nothing
    ");
}
