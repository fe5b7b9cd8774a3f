-- Auto top-up's: a place that is kept, so that the versions have no gap. The branch topup brings the real one, which wins.
select 1;
