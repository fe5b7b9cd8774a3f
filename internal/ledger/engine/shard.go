package engine

import (
	"encoding/binary"
	"math/bits"

	"github.com/google/uuid"
)

// laneOf gives each lane an equal range of the hashes by which Citus distributes accounts to shards. If the
// number of lanes divides the number of shards, no shard is written by two lanes.
func laneOf(account uuid.UUID, lanes int) int {
	place := int64(int32(hashID(account))) + 1<<31 // Postgres integers are signed
	return int(uint64(place) * uint64(lanes) >> 32)
}

// hashID is Postgres' hash of a uuid: hash_bytes in src/common/hashfn.c, Bob Jenkins's lookup3, for sixteen
// bytes.
func hashID(id uuid.UUID) uint32 {
	const begin = 0x9e3779b9 + uint32(len(id)) + 3923095
	word := func(i int) uint32 { return binary.LittleEndian.Uint32(id[4*i:]) }
	a, b, c := begin+word(0), begin+word(1), begin+word(2)
	step := func(x, y, z *uint32, by int) {
		*x -= *z
		*x ^= bits.RotateLeft32(*z, by)
		*z += *y
	}
	step(&a, &b, &c, 4)
	step(&b, &c, &a, 6)
	step(&c, &a, &b, 8)
	step(&a, &b, &c, 16)
	step(&b, &c, &a, 19)
	step(&c, &a, &b, 4)
	a += word(3)
	last := func(x, y *uint32, by int) {
		*x ^= *y
		*x -= bits.RotateLeft32(*y, by)
	}
	last(&c, &b, 14)
	last(&a, &c, 11)
	last(&b, &a, 25)
	last(&c, &b, 16)
	last(&a, &c, 4)
	last(&b, &a, 14)
	last(&c, &b, 24)
	return c
}
