package handlers

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

var errCursor = &problem.Error{
	Kind:    problem.Malformed,
	Code:    "invalid_cursor",
	Field:   "cursor",
	Message: "cursor is not one that this list has given.",
}

// A cursor is a place in a list, and a mark of the list: its route, whose it is, and its filter.
// The mark is no secret. It is there because a cursor that is used with another list would silently
// skip part of it.
const (
	cursorPrefix = "cur_"
	cursorMark   = 8 // bytes
)

var cursorEncoding = base32.HexEncoding.WithPadding(base32.NoPadding)

// nextCursor names a place in the list that a request asks for; owner is the account or endpoint
// whose list it is.
func nextCursor(c echo.Context, owner uuid.UUID, place []byte) string {
	return cursorPrefix + strings.ToLower(cursorEncoding.EncodeToString(append(listMark(c, owner), place...)))
}

// cursorPlace reads the place at which a request wants its list to go on; nil is the beginning.
// errCursor for one of another list, or in another form than nextCursor writes.
func cursorPlace(c echo.Context, owner uuid.UUID) ([]byte, error) {
	text := c.QueryParam("cursor")
	if text == "" {
		return nil, nil
	}
	encoded, _ := strings.CutPrefix(text, cursorPrefix)
	raw, err := cursorEncoding.DecodeString(strings.ToUpper(encoded))
	if err != nil || len(raw) <= cursorMark || !bytes.Equal(raw[:cursorMark], listMark(c, owner)) {
		return nil, errCursor
	}
	place := raw[cursorMark:]
	if nextCursor(c, owner, place) != text {
		return nil, errCursor
	}
	return place, nil
}

// listMark tells lists apart. The size of a page is no part of it: that may change on the way.
func listMark(c echo.Context, owner uuid.UUID) []byte {
	filter := url.Values{}
	for name, values := range c.QueryParams() {
		if name != "cursor" && name != "limit" && values[0] != "" {
			filter.Set(name, values[0])
		}
	}
	sum := sha256.Sum256([]byte(c.Path() + "\x00" + owner.String() + "\x00" + filter.Encode()))
	return sum[:cursorMark]
}

// entryCursor names the entry before which the next page of a history begins; empty for 0, which is the end.
func entryCursor(c echo.Context, account uuid.UUID, before int64) string {
	if before == 0 {
		return ""
	}
	return nextCursor(c, account, binary.BigEndian.AppendUint64(nil, uint64(before)))
}

// entriesBefore reads what entryCursor wrote: 0 is the newest.
func entriesBefore(c echo.Context, account uuid.UUID) (int64, error) {
	place, err := cursorPlace(c, account)
	if err != nil || place == nil {
		return 0, err
	}
	if len(place) != 8 {
		return 0, errCursor
	}
	before := int64(binary.BigEndian.Uint64(place))
	if before < 1 {
		return 0, errCursor
	}
	return before, nil
}

// textCursor is nextCursor for lists whose places are texts; empty is the end.
func textCursor(c echo.Context, owner uuid.UUID, place string) string {
	if place == "" {
		return ""
	}
	return nextCursor(c, owner, []byte(place))
}
