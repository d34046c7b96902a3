package workflows

// AttemptsWithin is attemptsWithin for the tests outside the package.
var AttemptsWithin = attemptsWithin
