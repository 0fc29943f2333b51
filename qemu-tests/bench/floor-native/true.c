/* The program that all engines launch. */
int main(void)
{
	return 0;
}
