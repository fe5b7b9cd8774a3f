package apikey

// PrefixOf is the key parser, for the fuzz test.
var PrefixOf = prefixOf
