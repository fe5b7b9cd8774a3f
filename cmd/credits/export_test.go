package main

// Main lets the test binary be the program under test.
var Main = main
