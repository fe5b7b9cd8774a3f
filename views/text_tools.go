package views

// after says what is left after a tool, before it runs: "leaves you 67", "12 short".
func (m ToolModel) after() string {
	if m.Short > 0 {
		return Number(m.Short) + " short"
	}
	return "leaves you " + Number(m.Left)
}

// declined says why a tool did not run: "This PDF needs 75 tokens and you have 42. It didn't run,
// and no tokens were used. You're 33 short; your text is saved."
func (m ToolsModel) declined() string {
	text := "This " + m.Chosen.One + " needs " + Tokens(m.Chosen.Price) + " and you have " + Number(m.Available) +
		m.aside() + ". "
	if m.Declined {
		text += "It didn't run, and no tokens were used. "
	}
	text += "You're " + Number(m.Chosen.Short) + " short"
	if m.Declined && m.Text != "" {
		text += "; your text is saved"
	}
	return text + "."
}

// aside names the tokens that tools cannot spend: " to spend: 150 more are kept for agents and 30
// are in use".
func (m ToolsModel) aside() string {
	var list []string
	if m.Kept > 0 {
		list = append(list, Number(m.Kept)+" more "+are(m.Kept == 1_000_000)+" kept for agents")
	}
	if m.Held > 0 {
		list = append(list, Number(m.Held)+" "+are(m.Held == 1_000_000)+" in use")
	}
	if len(list) == 0 {
		return ""
	}
	return " to spend: " + both(list)
}

// keptWouldDo reports whether the agents' reserves would cover the tool.
func (m ToolsModel) keptWouldDo() bool { return m.Kept > 0 && m.Available+m.Kept >= m.Chosen.Price }

// lead introduces the page, with this creator's numbers.
func (m ToolsModel) lead() string {
	text := "You have " + Tokens(m.Available) + " for your tools."
	if m.Kept > 0 {
		text += " " + Number(m.Kept) + " more " + are(m.Kept == 1_000_000) + " kept for agents."
	}
	if m.Runs {
		return text + " You see the price before anything runs."
	}
	return text + " Tools run in your shop; here is what each takes."
}

// headline says how far a job is.
func (m JobModel) headline() string {
	switch m.State {
	case JobDone:
		return m.ToolName + ": done"
	case JobFailed:
		return m.ToolName + ": failed"
	case JobRunning:
	}
	return m.ToolName + ": working"
}

// text says what happened to the tokens.
func (m JobModel) text() string {
	switch m.State {
	case JobDone:
		return Tokens(m.Amount) + " were charged."
	case JobFailed:
		return "Nothing was charged. The " + Tokens(m.Amount) + " that were held are yours again."
	case JobRunning:
	}
	return Tokens(m.Amount) + " are held while it works. They are only charged if it succeeds."
}
