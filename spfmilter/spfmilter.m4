dnl spfmilter(8): check SPF.  To be included in sendmail.mc in front of the
dnl MAILER() lines, behind blackmilter and before graymilter and filters that
dnl look at content.  sendmail asks in the order of the lines, at each command:
dnl so the clients that blackmilter refuses ask nothing of the DNS, and with
dnl -hint graymilter has been told at MAIL for which domain the client speaks
dnl when it has to know the client.
dnl The socket is the one that the init script and the systemd unit open.
dnl F= is left empty: while the daemon is down, mail passes unjudged.  F=T asks
dnl clients to come back instead.
dnl R: is long, for the answer to MAIL waits for name servers: -deadline at
dnl most, which is 8 seconds, and for graymilter half a second.
INPUT_MAIL_FILTER(`spfmilter', `S=unix:/run/spfmilter/spfmilter.sock, F=, T=C:5s;S:10s;R:1m;E:1m')dnl
