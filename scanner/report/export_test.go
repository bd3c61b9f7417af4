package report

// Clean is how untrusted text is shown.
var Clean = clean
