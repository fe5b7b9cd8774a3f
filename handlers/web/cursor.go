package web

import (
	"bytes"
	"crypto/sha256"
	"encoding/base32"
	"encoding/binary"
	"net/url"
	"strings"

	"github.com/google/uuid"
	"github.com/labstack/echo/v4"

	"pop.store/credits/internal/problem"
)

// ErrCursor refuses a cursor of another list, or one that NextCursor did not write.
var ErrCursor = &problem.Error{
	Kind:    problem.Malformed,
	Code:    "invalid_cursor",
	Field:   "cursor",
	Message: "cursor is not one that this list has given.",
}

// A cursor is a position in a list after a checksum of the list: its route, owner and filter. The
// checksum is no secret. Without it a cursor used with another list would silently skip entries.
const (
	cursorPrefix   = "cur_"
	cursorChecksum = 8 // bytes
)

var cursorEncoding = base32.HexEncoding.WithPadding(base32.NoPadding)

// NextCursor encodes a position in the requested list. owner is the account or endpoint that the
// list belongs to.
func NextCursor(c echo.Context, owner uuid.UUID, position []byte) string {
	raw := append(listChecksum(c, owner), position...)
	return cursorPrefix + strings.ToLower(cursorEncoding.EncodeToString(raw))
}

// CursorPosition decodes the request's cursor. nil is the beginning of the list. Error: ErrCursor.
func CursorPosition(c echo.Context, owner uuid.UUID) ([]byte, error) {
	text := c.QueryParam("cursor")
	if text == "" {
		return nil, nil
	}
	encoded, _ := strings.CutPrefix(text, cursorPrefix)
	raw, err := cursorEncoding.DecodeString(strings.ToUpper(encoded))
	if err != nil || len(raw) <= cursorChecksum || !bytes.Equal(raw[:cursorChecksum], listChecksum(c, owner)) {
		return nil, ErrCursor
	}
	position := raw[cursorChecksum:]
	if NextCursor(c, owner, position) != text { // one spelling per cursor
		return nil, ErrCursor
	}
	return position, nil
}

// listChecksum leaves the page size out: a client may change it between pages.
func listChecksum(c echo.Context, owner uuid.UUID) []byte {
	filter := url.Values{}
	for name, values := range c.QueryParams() {
		if name != "cursor" && name != "limit" && values[0] != "" {
			filter.Set(name, values[0])
		}
	}
	sum := sha256.Sum256([]byte(c.Path() + "\x00" + owner.String() + "\x00" + filter.Encode()))
	return sum[:cursorChecksum]
}

// EntryCursor encodes the seq before which the next page of entries begins. 0 is the end: "".
func EntryCursor(c echo.Context, account uuid.UUID, before int64) string {
	if before == 0 {
		return ""
	}
	return NextCursor(c, account, binary.BigEndian.AppendUint64(nil, uint64(before)))
}

// EntriesBefore decodes what EntryCursor wrote. 0 is the newest entry. Error: ErrCursor.
func EntriesBefore(c echo.Context, account uuid.UUID) (int64, error) {
	position, err := CursorPosition(c, account)
	if err != nil || position == nil {
		return 0, err
	}
	if len(position) != 8 {
		return 0, ErrCursor
	}
	before := int64(binary.BigEndian.Uint64(position))
	if before < 1 {
		return 0, ErrCursor
	}
	return before, nil
}

// TextCursor is NextCursor for positions that are text. "" is the end: "".
func TextCursor(c echo.Context, owner uuid.UUID, position string) string {
	if position == "" {
		return ""
	}
	return NextCursor(c, owner, []byte(position))
}
