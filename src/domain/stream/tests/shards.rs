//! Splitting, merging, listing, following, forgetting.

use super::script::{open_ranges, run, stream};
use crate::{
    base::time::Timestamp,
    domain::stream::{
        ShardId,
        hash::{HashKey, even_ranges},
    },
};

#[test]
fn a_split_closes_the_parent_and_opens_two_children() {
    run("
        stream shards=1
        t=0  put a at=0/4              -> 0:1
        t=1  split 0                   -> 1 2
        t=1  put b at=0/4              -> 1:1
        t=1  put c at=2/4              -> 2:1
        t=1  put d at=3/4              -> 2:2
        t=1  shards                    -> 0! 1<0 2<0
        t=1  split 2 at=3/4            -> 3 4
        t=1  put e at=3/4              -> 4:1
        t=1  shards at-latest          -> 1<0 3<2 4<2
    ");
}

#[test]
fn a_split_key_must_lie_inside_the_shard() {
    run("
        stream shards=2
        t=0  split 0 at=1/2   -> error: the new starting hash key 170141183460469231731687303715884105728 does not divide shardId-000000000000, which has 0-170141183460469231731687303715884105727
        t=0  split 0 at=0/1   -> error: the new starting hash key 0 does not divide shardId-000000000000, which has 0-170141183460469231731687303715884105727
        t=0  split 7          -> error: there is no shardId-000000000007
        t=0  split 0          -> 2 3
        t=0  split 0          -> error: shardId-000000000000 was split or merged before
    ");
}

#[test]
fn only_neighbours_merge_and_the_first_one_first() {
    run("
        stream shards=3
        t=0  merge 0 2   -> error: shardId-000000000000 does not end where shardId-000000000002 begins
        t=0  merge 1 0   -> error: shardId-000000000001 does not end where shardId-000000000000 begins
        t=0  merge 0 0   -> error: shardId-000000000000 does not end where shardId-000000000000 begins
        t=0  merge 0 5   -> error: there is no shardId-000000000005
        t=0  merge 0 1   -> 3
        t=0  merge 0 1   -> error: shardId-000000000000 was split or merged before
        t=0  merge 3 2   -> 4
        t=0  shards      -> 0! 1! 2! 3<0+1! 4<3+2
        t=0  put a at=2/3  -> 4:1
    ");
}

#[test]
fn a_stream_that_is_being_updated_takes_records_but_no_other_change() {
    run("
        stream shards=1 settle=2
        t=0  status        -> being created
        t=0  put a         -> error: the stream is being created, not active
        t=0  split 0       -> error: the stream is being created, not active
        t=0  shards        -> none
        t=2  status        -> active
        t=2  split 0       -> 1 2
        t=3  status        -> being updated
        t=3  put a         -> 1:1
        t=3  split 1       -> error: the stream is being updated, not active
        t=3  count 4       -> error: the stream is being updated, not active
        t=3  raise 48h     -> error: the stream is being updated, not active
        t=4  split 1       -> 3 4
    ");
}

#[test]
fn the_number_of_shards_is_set_to_equal_ranges() {
    run("
        stream shards=2
        t=0  count 5   -> error: 5 open shards; 4 is the most
        t=0  count 0   -> error: 0 open shards; 1 is the least
        t=0  count 4   -> 2 3 4 5
        t=0  shards at-latest  -> 2<0 3<0 4<1 5<1
        t=0  count 1   -> error: 1 open shards; 2 is the least
        t=0  count 3   -> 6 7 8 9 10 11 12
        t=0  put a at=0/3  -> 10:1
        t=0  put b at=1/3  -> 11:1
        t=0  put c at=2/3  -> 12:1
        t=0  count 2   -> 13 14 15 16
        t=0  shards at-latest  -> 15<10+13 16<14+12
    ");
}

#[test]
fn the_number_of_shards_is_set_ten_times_within_24_hours() {
    run("
        stream shards=2
        t=0    count 4   -> 2 3 4 5
        t=1h   count 4
        t=2h   count 4
        t=3h   count 4
        t=4h   count 4
        t=5h   count 4
        t=6h   count 4
        t=7h   count 4
        t=8h   count 4
        t=9h   count 4
        t=10h  count 4   -> error: 10 updates of the number of shards within 24 h, as many as there may be; the next after 86400000 ms
        t=24h  count 4
        t=24h  count 4   -> error: 10 updates of the number of shards within 24 h, as many as there may be; the next after 90000000 ms
    ");
}

#[test]
fn shards_too_narrow_to_be_split_are_merged_first() {
    let half = 1 << 127;
    for borders in [[half + 1, half + 3], [half - 1, half + 1], [half - 3, half - 1]] {
        let mut stream = stream(1);
        for (shard, border) in [0, 2].into_iter().zip(borders) {
            let split = stream.split(Timestamp::ZERO, ShardId(shard), Some(HashKey(border))).expect("a split");
            stream.apply(&split);
        }
        let events = stream.update_shard_count(Timestamp::ZERO, 2).expect("a number");
        events.iter().for_each(|event| stream.apply(event));
        assert_eq!(open_ranges(&stream), even_ranges(2), "{borders:?}");
    }
}

#[test]
fn shards_are_listed_by_what_was_open_when() {
    run("
        stream shards=1 retention=24h
        t=10   split 0                     -> 1 2
        t=20   split 2                     -> 3 4
        t=30   merge 1 3                   -> 5
        t=40   shards                      -> 0! 1<0! 2<0! 3<2! 4<2 5<1+3
        t=40   shards limit=2              -> 0! 1<0! more
        t=40   shards after=1 limit=4      -> 2<0! 3<2! 4<2 5<1+3
        t=40   shards after-shard 3        -> 4<2 5<1+3
        t=40   shards at-horizon           -> 0!
        t=40   shards at-latest            -> 4<2 5<1+3
        t=40   shards at-time time=5       -> 0!
        t=40   shards at-time time=15      -> 1<0! 2<0!
        t=40   shards at-time time=20      -> 1<0! 2<0! 3<2! 4<2
        t=40   shards at-time time=35      -> 4<2 5<1+3
        t=40   shards from-time time=25    -> 1<0! 3<2! 4<2 5<1+3
        t=86425  shards                    -> 1<0! 3<2! 4<2 5<1+3
        t=86425  shards at-horizon         -> 1<0! 3<2! 4<2
        t=86425  shards at-time time=5     -> 1<0! 3<2! 4<2
    ");
}

#[test]
fn a_reader_goes_from_a_closed_shard_to_its_children() {
    run("
        stream shards=1
        t=0    put a                     -> 0:1
        t=5    put b                     -> 0:2
        t=9    read 0 horizon            -> from 1
        t=9    read 0 latest             -> from 3
        t=9    read 0 at record=b        -> from 2
        t=9    read 0 after record=b     -> from 3
        t=9    read 0 at record=start0   -> from 1
        t=9    read 0 time time=3        -> from 1
        t=9    read 0 time time=10       -> error: 10000 ms is later than now, 9000 ms
        t=10   split 0                   -> 1 2
        t=10   read 0 at record=b        -> from 2
        t=10   read 0 after record=b     -> end, then 1 2
        t=10   read 0 at record=end0     -> end, then 1 2
        t=10   read 0 latest             -> end, then 1 2
        t=10   merge 1 2                 -> 3
        t=10   read 1 horizon            -> end, then 3
        t=10   read 2 horizon            -> end, then 3
        t=10   read 3 at record=a        -> error: the sequence number is one of shardId-000000000000, not of shardId-000000000003
        t=10   read 7 latest             -> error: there is no shardId-000000000007
    ");
}

#[test]
fn closed_shards_are_forgotten_when_the_retention_is_over() {
    run("
        stream shards=1 retention=24h
        t=0      put a                -> 0:1
        t=10     split 0              -> 1 2
        t=10     put b                -> 1:1
        t=20     merge 1 2            -> 3
        t=20     deadline             -> 86410.001
        t=86410  forget               -> nothing
        t=86410  shards               -> 0! 1<0! 2<0! 3<1+2
        t=86411  shards               -> 1<0! 2<0! 3<1+2
        t=86411  read 0 horizon       -> error: there is no shardId-000000000000
        t=86411  forget
        t=86411  deadline             -> 86420.001
        t=86421  forget
        t=86421  forget               -> nothing
        t=86421  shards               -> 3<1+2
        t=86421  shards at-horizon    -> 3<1+2
        t=86421  split 3              -> 4 5
    ");
}

#[test]
fn a_record_trimmed_by_the_storage_is_no_beginning() {
    run("
        stream shards=1
        t=0  put a                  -> 0:1
        t=0  put b                  -> 0:2
        t=0  put c                  -> 0:3
        t=0  trim 0 below=3 bytes=20
        t=0  trim 0 below=2 bytes=10  -> nothing
        t=0  read 0 horizon         -> from 3
        t=0  read 0 at record=a     -> from 3
        t=0  read 0 latest          -> from 4
    ");
}

#[test]
fn a_record_goes_behind_the_one_its_producer_names() {
    run("
        stream shards=1
        t=5  put a              -> 0:1
        t=5  split 0            -> 1 2
        t=5  put b after=a      -> 1:1
        t=3  put c after=b      -> 1:2
        t=5  merge 1 2          -> 3
        t=5  put d after=c      -> 3:1
    ");
}
