package strictjson

// check reads a whole body without types, for the one question whether it is readable JSON: no name
// twice in an object, not too deep, nothing after it. It runs only when a body is refused, to
// decide between 400 and 422.
func check(body []byte) *fault {
	s := scanner{body: body}
	if f := s.skip(1); f != nil {
		return f
	}
	return s.end()
}

// skip reads any value; level is the depth that an object or array there has.
func (s *scanner) skip(level int) *fault {
	switch s.peek() {
	case object:
		return s.skipObject(level)
	case array:
		return s.skipArray(level)
	case text:
		_, f := s.text()
		return f
	case number:
		_, _, f := s.number()
		return f
	case boolean:
		_, f := s.boolean()
		return f
	case null:
		return s.literal("null")
	default:
		return s.unexpected()
	}
}

func (s *scanner) skipObject(level int) *fault {
	if level > MaxDepth {
		return tooDeep()
	}
	s.pos++
	seen := map[string]bool{}
	for first := true; ; first = false {
		more, f := s.more(first, '}')
		if !more {
			return f
		}
		key, f := s.key()
		if f != nil {
			return f
		}
		name := string(key)
		if seen[name] {
			return twice().in(shown(key))
		}
		seen[name] = true
		if f := s.skip(level + 1); f != nil {
			return f.in(shown([]byte(name)))
		}
	}
}

func (s *scanner) skipArray(level int) *fault {
	if level > MaxDepth {
		return tooDeep()
	}
	s.pos++
	for i := 0; ; i++ {
		more, f := s.more(i == 0, ']')
		if !more {
			return f
		}
		if f := s.skip(level + 1); f != nil {
			return f.at(i)
		}
	}
}

func tooDeep() *fault {
	return unreadable("objects and arrays are nested more than %d levels deep", MaxDepth)
}

func twice() *fault { return unreadable("the field appears twice") }
