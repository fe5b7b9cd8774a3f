package ledger

import (
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgtype"
)

// rowID is an account's id on its way to Postgres: pgx writes it as sixteen bytes, and would write a uuid.UUID as text.
type rowID = pgtype.UUID

func toRow(id uuid.UUID) rowID { return rowID{Bytes: id, Valid: true} }

// rowIDs are the ids for a statement.
func rowIDs(ids []uuid.UUID) []rowID {
	rows := make([]rowID, len(ids))
	for i, id := range ids {
		rows[i] = toRow(id)
	}
	return rows
}

// scanID is where pgx reads an id to, as bytes.
func scanID(id *uuid.UUID) *[16]byte { return (*[16]byte)(id) }
