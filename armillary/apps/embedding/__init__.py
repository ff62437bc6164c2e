"""What the chain of teacher, student and synthesiser is for: pictures turned."""
